"""The numbers of the project, measured on this machine.

`labs bench` calls the modules; each returns figures, none prints.
"""
