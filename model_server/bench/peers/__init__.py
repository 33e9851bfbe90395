"""Other people's servers in front of the same model; `contenders` starts them, `environment` installs them.

`mlserver_model` and `kserve_server` run in a virtual environment of their own, with nothing of ours but their own file.
"""
