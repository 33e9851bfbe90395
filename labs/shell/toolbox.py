"""The private folder behind a learner's shell: kubeconfig, commands, completion, prompt, countdown, tmux.conf.

Called by `labs.shell.session` only. Everything lies in one folder of mode 0700, so that removing the folder removes all
of it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from labs import paths
from labs.attempts.service import Attempt
from labs.course.models import Scenario
from labs.errors import ClusterError, MachineError
from labs.providers.base import ClusterHandle

# what the learner types → what the lab's command line is asked; only `reset` takes something away, and it asks first
COMMANDS = {"task": "show", "hint": "hint", "check": "check", "submit": "check", "reset": "reset"}
ANSWER = {"answer": "answer"}  # of a task that asks for a diagnosis
OVERRIDES = ("LABS_STATE", "LABS_CACHE", "LABS_SCENARIOS")

COUNTDOWN = """\
#!/bin/sh
# time left, for tmux's status line and the prompt
left=$(( {start} + {target} - $(date +%s) ))
if [ "$left" -ge 0 ]; then
    printf '%d:%02d left' $(( left / 60 )) $(( left % 60 ))
else
    printf '%d:%02d over target' $(( -left / 60 )) $(( -left % 60 ))
fi
"""

TMUX_CONF = """\
# the lab's own server; your ~/.tmux.conf is not read
set -g default-terminal "screen-256color"
set -g mouse on
set -g escape-time 10
set -g base-index 1
set -g history-limit 20000
set -g status-interval 1
set -g status-style "reverse"
set -g status-left-length 48
set -g status-right-length 48
set -g window-status-format " #I:#W "
set -g window-status-current-format " #I:#W "
set -g exit-empty on
set -g destroy-unattached off
set -g detach-on-destroy on
bind-key -n F12 detach-client
"""

RC = """\
# bash of the lab; ~/.bashrc is not read, so that the shell is the same for everybody
export KUBECONFIG={kubeconfig}
export PATH={bin}:"$PATH"
export EDITOR="${{EDITOR:-vi}}" KUBE_EDITOR="${{KUBE_EDITOR:-${{EDITOR:-vi}}}}"
HISTFILE={folder}/history
HISTSIZE=5000
shopt -s checkwinsize histappend
[ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    # kubectl's completion needs these four words of the bash-completion package; this is enough of it
    _get_comp_words_by_ref() {{
        cword=$COMP_CWORD words=("${{COMP_WORDS[@]}}")
        cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
    }}
    __ltrim_colon_completions() {{ :; }}
fi
for __file in {completions}; do [ -r "$__file" ] && . "$__file"; done
alias k=kubectl
declare -F __start_kubectl >/dev/null && complete -o default -F __start_kubectl k
__where() {{ [ "$PWD" = {workspace} ] || printf ' %s' "${{PWD/#$HOME/\\~}}"; }}
PS1='\\[\\e[1m\\]{prompt}\\[\\e[0m\\]{left}$(__where) \\$ '
cd {workspace} 2>/dev/null
printf '%s\\n' {greeting}
"""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the parts of a shell lie.

    Attributes:
        folder: The private folder.
        rc: What bash reads instead of ~/.bashrc.
        conf: What tmux reads instead of ~/.tmux.conf.
        countdown: Command that prints the time left.
        kubeconfig: The task's own kubeconfig.
    """

    folder: Path
    rc: Path
    conf: Path
    countdown: Path
    kubeconfig: Path


def build(folder: Path, handle: ClusterHandle, attempt: Attempt, scenario: Scenario) -> Tools:
    """Write the folder; what is there already is written again.

    Raises:
        ClusterError: The cluster's kubeconfig cannot be read.
        MachineError: The folder cannot be written.
    """
    tools = Tools(folder, folder / "bashrc", folder / "tmux.conf", folder / "bin" / "time-left", folder / "kubeconfig")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        bin_ = folder / "bin"
        bin_.mkdir(exist_ok=True)
        _write(tools.kubeconfig, _kubeconfig(handle, scenario.file.namespaces[0]), 0o600)
        _write(tools.conf, TMUX_CONF, 0o600)
        countdown = COUNTDOWN.format(start=int(attempt.started.timestamp()), target=scenario.file.target_minutes * 60)
        _write(tools.countdown, countdown, 0o700)
        for name, verb in commands(scenario).items():
            _write(bin_ / name, _command(name, verb, scenario.id, handle.name), 0o700)
        programs = _programs()
        for name, program in programs.items():
            _link(bin_ / name, program)
        completions = [_completion(name, program) for name, program in programs.items()]
        _write(tools.rc, _rc(tools, scenario, attempt.workspace, completions), 0o600)
    except OSError as error:
        raise MachineError(
            f"the shell's folder cannot be written: {error}",
            hint="free some space, or set LABS_STATE",
            where=str(folder),
        ) from error
    return tools


def commands(scenario: Scenario) -> dict[str, str]:
    """Return what the learner may type in the shell of a task → what the lab is asked."""
    return {**COMMANDS, **(ANSWER if scenario.file.diagnosis is not None else {})}


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file that was never readable for others, not even for a moment, and replace the old one in one go."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _kubeconfig(handle: ClusterHandle, namespace: str) -> str:
    """Return the cluster's kubeconfig with the task's namespace as the default one."""
    try:
        config = yaml.safe_load(handle.kubeconfig.read_text(encoding="utf-8"))
        for context in config["contexts"]:
            context["context"]["namespace"] = namespace
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ClusterError(
            f"the cluster's kubeconfig cannot be read: {error}", hint="run: labs up", where=str(handle.kubeconfig)
        ) from error
    return yaml.safe_dump(config, sort_keys=False)


def _command(name: str, verb: str, scenario_id: str, cluster: str) -> str:
    """Return one of the learner's commands as a script.

    Paths of the lab travel inside it, because the learner may change the environment. `-P` keeps a `yaml.py` in the
    workspace out of our way.
    """
    lab = shlex.join([sys.executable, "-P", "-m", "labs", "scenarios", verb, scenario_id, "--cluster", cluster])
    lines = ["#!/bin/sh", f"# `{name}`: asks the lab about this task"]
    lines += [f"export {key}={shlex.quote(os.environ[key])}" for key in OVERRIDES if key in os.environ]
    if name == "reset":
        lines += [
            "if [ -t 0 ]; then",
            "    printf 'Put the task back to its start? Your changes are lost. [y/N] '",
            "    read -r answer",
            '    case "$answer" in [yY]*) ;; *) echo "Nothing was changed."; exit 0 ;; esac',
            "fi",
        ]
    if name == "submit":
        lines += [f'{lab} "$@" || exit $?', "tmux detach-client 2>/dev/null || true"]
    else:
        lines += [f'exec {lab} "$@"']
    return "\n".join(lines) + "\n"


def _rc(tools: Tools, scenario: Scenario, workspace: Path, completions: list[Path]) -> str:
    in_tmux = shutil.which("tmux") is not None
    words = "  ".join(commands(scenario))
    greeting = f"{scenario.file.title}\nYour files: {workspace}\nCommands: {words}   (k = kubectl)"
    greeting += "\nF12 brings you back to the lab." if in_tmux else "\nexit brings you back to the lab."
    return RC.format(
        kubeconfig=shlex.quote(str(tools.kubeconfig)),
        bin=shlex.quote(str(tools.folder / "bin")),
        folder=shlex.quote(str(tools.folder)),
        completions=shlex.join(map(str, completions)),
        prompt=scenario.id,
        left="" if in_tmux else f" [$({shlex.quote(str(tools.countdown))})]".replace("'", "'\\''"),
        workspace=shlex.quote(str(workspace)),
        greeting=shlex.quote(greeting),
    )


def _programs() -> dict[str, Path]:
    """Return the programs of the lab's own: kubectl, and helm where a task has brought it.

    Without ours the ones on PATH are the next best, and without any a learner reads bash's own words.
    """
    found: dict[str, Path] = {}
    for name in ("kubectl", "helm"):
        try:
            from labs import tools  # noqa: PLC0415 - an installation without the embedded engine has no tools of its own

            found[name] = Path(getattr(tools, name)())
        except Exception:  # noqa: BLE001 - whatever keeps ours from being found, the one on PATH is the next best
            if program := shutil.which(name):
                found[name] = Path(program)
    return found


def _completion(name: str, program: Path) -> Path:
    """Return bash's completion for a program, made once and cached; the file is missing where it cannot make it."""
    path = paths.cache_dir() / f"{name}-completion.bash"
    if path.exists() and path.stat().st_mtime >= program.stat().st_mtime:
        return path
    try:
        made = subprocess.run(
            [str(program), "completion", "bash"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return path
    _write(path, made.stdout, 0o600)
    return path
