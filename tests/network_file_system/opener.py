"""The opener in Python; what it does is in ../network_file_system.rs."""

import sys

import portkeeper

path, allow = sys.argv[1:]


def opened():
    return portkeeper.Keeper(path, allow_network_file_system=allow == "allow")


try:
    with opened() as keeper:
        keeper.reserve(27410, "Python", adopt=True)
    with opened() as keeper:
        print(">", keeper.list()[0].project_name)
except portkeeper.PortkeeperError as error:
    print(">", error.code, error)
