use std::io;

use clap::Args;
use portkeeper_core::ProjectPorts;
use serde::Serialize;

use crate::{
    context::Context,
    failure::Outcome,
    output::{Cell, Column, Page, Report, Table},
};

/// List the projects that have ports
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portman projects
  portman projects --json | jq -r '.data[].projectName'")]
pub struct Projects {}

/// The projects, by name.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Answer(Vec<ProjectPorts>);

impl Projects {
    /// Reads them.
    pub fn run(self, context: &Context) -> Outcome<Answer> {
        let Self {} = self;
        Ok(Answer(context.keeper()?.projects()?))
    }
}

impl Report for Answer {
    fn text(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.0.is_empty() {
            return page.line("no project has a port");
        }
        let mut table = Table::new([
            Column::new("PROJECT").cut_to(10),
            Column::new("IN USE").number().rank(1),
            Column::new("PORTS").cut_to(5),
        ]);
        for project in &self.0 {
            let ports: Vec<String> = project.ports.iter().map(ToString::to_string).collect();
            table.row([
                Cell::new(&project.project_name),
                Cell::new(format!("{} of {}", project.active_count, ports.len())),
                Cell::new(ports.join(" ")),
            ]);
        }
        table.show(page)
    }
}
