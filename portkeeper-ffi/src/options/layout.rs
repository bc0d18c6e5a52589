//! Where the fields of version 1 are, for ever: programs were compiled with it.

use std::mem::offset_of;

use super::{
    pk_export_options, pk_history_options, pk_import_options, pk_list_options, pk_open_options,
    pk_request_options, pk_reserve_options,
};

// With smaller pointers there would be gaps between the fields, whose bytes nobody sets.
#[cfg(not(target_pointer_width = "64"))]
compile_error!("the layout of options is that of 64-bit platforms");

/// Each field has eight bytes and follows the one before; later versions add theirs at the end.
macro_rules! pinned {
    ($($options:ident { $($field:ident)* })*) => {$(
        const _: () = {
            let mut end = 0;
            $(
                assert!(offset_of!($options, $field) == end);
                end += 8;
            )*
            assert!(size_of::<$options>() == end && align_of::<$options>() == 8);
        };
    )*};
}

pinned! {
    pk_open_options { size actor durability busy_timeout_ms flags }
    pk_reserve_options { size description tags tags_count metadata flags }
    pk_request_options { size roles roles_count count strategy avoid avoid_count description tags tags_count address range_first range_last owner_pid ttl_ms flags }
    pk_list_options { size status project tag range_first range_last }
    pk_history_options { size project action since until before_time before_id limit }
    pk_export_options { size project name }
    pk_import_options { size mode project name flags }
}
