"""The benchmark: the server beside a hand-written floor and the bare model, in one run: `python -m model_server.bench`.

`__main__` is the command line, `contenders` starts what is measured, `peers` are other people's servers, `load` asks,
`floor` is the least a Python server can do, `raw` runs the model without any server, `limits` overloads it and gives it
a quota, `steady` offers requests at a rate, `wire` reads HTTP for them, `report` writes the README's table. The server
uses nothing of it.
"""
