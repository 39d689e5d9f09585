"""Every key of the console, once: bindings, hint lines, the help screen and `docs/keys.md` are made from it.

Owns: `ACTIONS`. A test compares `docs/keys.md` with it, and each entry with a method of the screen or widget it is for.
"""

from __future__ import annotations

from typing import NamedTuple

from textual.binding import Binding, BindingType


class Action(NamedTuple):
    """One thing that a key does.

    `id` is ``scope.name``: the scope says where the key works, and its screen or widget has a method ``action_name``.
    `keys` are Textual's names, the first is the one that is shown. `changes`: something in a cluster or in Git.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    changes: bool = False

    @property
    def scope(self) -> str:
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        return self.id.partition(".")[2]

    @property
    def key(self) -> str:
        """The first key, as it is written on the screen."""
        return shown(self.keys[0])


_SHOWN = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "circumflex_accent": "^",
    "dollar_sign": "$",
}


def shown(key: str) -> str:
    """A key of Textual as a person writes it: ``question_mark`` is ``?``."""
    return _SHOWN.get(key, key)


SCOPES = {
    "everywhere": "Everywhere",
    "screen": "On each screen",
    "rows": "In each list, tree and text",
    "apps": "Applications",
    "clusters": "Clusters",
    "projects": "Projects",
    "appsets": "ApplicationSets",
    "preview": "What an ApplicationSet would do",
    "matrix": "Addon matrix",
    "grid": "Addon matrix, its cells",
    "versions": "Which versions where",
    "rollouts": "Rollouts",
    "rollout": "One rollout",
    "wizard": "A rollout that is being planned",
    "view": "One application",
    "pods": "Pods, on the applications' screen and in each view of one",
    "why": "What an application waits for, in each view but the logs",
    "tree": "Tree",
    "pager": "Diff, YAML, logs and help",
    "diff": "Diff",
    "logs": "Logs",
    "dialog": "Dialogs",
    "shell": "The question which container a shell is for",
    "quit": "The question whether to quit",
}

ACTIONS: tuple[Action, ...] = (
    Action("everywhere.interrupt", ("ctrl+c",), "quit", "Pressed twice: quits."),
    Action("everywhere.suspend_process", ("ctrl+z",), "suspend", "Suspends the console; fg brings it back."),
    Action("everywhere.repaint", ("ctrl+l",), "repaint", "Paints the whole screen anew."),
    Action("screen.back", ("escape",), "back", "One screen back; clears the filter on the first one. Never quits."),
    Action("screen.leave", ("q",), "back", "One screen back; on the first one asks whether to quit."),
    Action("screen.command", ("colon",), "command", "A command: :apps [filter], :clusters, :appsets, :matrix [filter],"
           " :projects, :rollouts, :rollout ADDON [VERSION], :help, :quit."),
    Action("screen.matrix", ("m",), "matrix", "The addon matrix: every addon on every cluster."),
    Action("screen.help", ("question_mark",), "help", "Every key that works here, and elsewhere."),
    Action("screen.copy_name", ("c",), "copy name", "Copies the name under the cursor to the clipboard (OSC 52)."),
    Action("screen.copy_command", ("C",), "copy command", "Copies the command line that shows the same."),
    Action("rows.down", ("j", "down"), "down", "One row down."),
    Action("rows.up", ("k", "up"), "up", "One row up."),
    Action("rows.page_down", ("pagedown", "ctrl+f"), "page down", "One page down."),
    Action("rows.page_up", ("pageup", "ctrl+b"), "page up", "One page up."),
    Action("rows.first", ("g", "home"), "first", "The first row."),
    Action("rows.last", ("G", "end"), "last", "The last row."),
    Action("rows.open", ("enter",), "open", "Opens what is under the cursor."),
    Action("rows.next_problem", ("n",), "next", "The next problem, difference or match."),
    Action("rows.previous_problem", ("N",), "previous", "The previous problem, difference or match."),
    Action("rows.mark", ("space",), "mark", "Marks the row; actions then ask for each marked one."),
    Action("rows.unmark", ("u",), "unmark", "Takes all marks away."),
    Action("apps.filter", ("slash",), "filter", "Filters: a word, health:degraded,missing, sync:outofsync, cluster:x,"
           " hub:x, project:x, namespace:x, engine:x; =x is x and nothing longer; ! before one turns it round."),
    Action("apps.order", ("o",), "order", "Orders by problem, name, cluster or age; sorts anew."),
    Action("apps.wide", ("ctrl+w",), "wide", "More columns: project, destination, path, last sync, message."),
    Action("apps.retry", ("r",), "retry", "Tries again to reach the clusters, where that failed at the start."),
    Action("clusters.login", ("x",), "log in", "Logs in to the cluster under the cursor where its state asks for it;"
           " the console leaves the terminal meanwhile."),
    Action("clusters.retry", ("r",), "try again", "Asks the cluster under the cursor now, and looks again at what may"
           " be seen of it."),
    Action("clusters.wide", ("ctrl+w",), "wide", "One more column: the server."),
    Action("projects.again", ("r",), "read again", "Reads the projects anew."),
    Action("projects.wide", ("ctrl+w",), "wide", "More columns: the destinations, and who may use it from elsewhere."),
    Action("appsets.preview", ("d",), "preview", "What the ApplicationSet under the cursor would do to its Applications"
           " now: created, changed field by field, deleted. Nothing is written."),
    Action("appsets.edited", ("e",), "edited", "The same for a file in which it was edited; asks which."),
    Action("appsets.again", ("r",), "read again", "Reads the ApplicationSets anew."),
    Action("appsets.wide", ("ctrl+w",), "wide", "One more column: the policy."),
    Action("preview.fold", ("f",), "fold", "Shows or folds what stays as it is, and the fields of what is created or"
           " deleted."),
    Action("preview.again", ("r",), "generate again", "Reads the file anew, and generates again."),
    Action("matrix.filter", ("slash",), "filter", "Filters: cluster:prod-*, addon:cert*, health:degraded,missing,"
           " sync:outofsync, version:<1.15, app:x, hub:x, a label of clusters as stage=prod, or a word; =x is x and"
           " nothing longer; ! before one turns it round."),
    Action("matrix.group", ("b",), "group by", "Groups the clusters by the next of their labels."),
    Action("matrix.turn", ("o",), "turn", "Clusters across and addons down, or back."),
    Action("matrix.versions", ("v",), "versions", "Which versions the addon under the cursor has where."),
    Action("matrix.wide", ("ctrl+w",), "wide", "Columns with versions, as many as fit; or all of them, as narrow as it"
           " takes."),
    Action("matrix.diff", ("d",), "diff", "What differs from Git in the application under the cursor."),
    Action("matrix.why", ("w",), "why", "What the application under the cursor waits for."),
    Action("matrix.sync", ("S",), "sync", "Syncs the marked cells, or the one under the cursor; asks first.",
           changes=True),
    Action("matrix.refresh", ("R",), "refresh", "Compares them with Git anew; asks first.", changes=True),
    Action("matrix.roll_out", ("U",), "roll out", "Takes the marked cells, or the one under the cursor, to another"
           " version in waves; plans first.", changes=True),
    Action("grid.right", ("l", "right"), "right", "One cell to the right."),
    Action("grid.left", ("h", "left"), "left", "One cell to the left."),
    Action("grid.first_column", ("circumflex_accent",), "first column", "The first cell of the row."),
    Action("grid.last_column", ("dollar_sign",), "last column", "The last cell of the row."),
    Action("grid.mark_column", ("V",), "mark column", "Marks every cell of the column, or takes their marks away."),
    Action("grid.mark_row", ("H",), "mark row", "Marks every cell of the row, or takes their marks away."),
    Action("versions.filter", ("slash",), "show", "The matrix with this version of this addon alone."),
    Action("rollouts.again", ("r",), "read again", "Reads the rollouts anew."),
    Action("rollout.hold", ("p",), "pause", "Pauses it, at once; where it is paused, resumes it, and asks first.",
           changes=True),
    Action("rollout.skip", ("s",), "skip", "Leaves the cell under the cursor as it is, on a wave's row those that"
           " failed; asks first.", changes=True),
    Action("rollout.retry", ("r",), "retry", "Tries the cell under the cursor again, on a wave's row those that"
           " failed; asks first.", changes=True),
    Action("rollout.approve", ("A",), "approve", "Lets a wave through that waits for a human; asks first.",
           changes=True),
    Action("rollout.abort", ("X",), "abort", "Ends it; what it has changed stays; asks first.", changes=True),
    Action("rollout.roll_back", ("B",), "roll back", "Gives each cell that it has changed the version that it had; asks"
           " first.", changes=True),
    Action("rollout.drive", ("D",), "drive", "Carries it on from this console, where nobody does; takes it over from"
           " another process, and asks first.", changes=True),
    Action("rollout.export", ("e",), "export", "Saves its timeline as JSON and as Markdown, and says where."),
    Action("wizard.next", ("right",), "next", "The next of the known values; enter types another one, and opens a group"
           " of changes."),
    Action("wizard.previous", ("left",), "previous", "The one before it."),
    Action("wizard.again", ("r",), "plan again", "Plans anew, with what is in Git now."),
    Action("wizard.start", ("S",), "start", "Begins the rollout; asks first.", changes=True),
    Action("view.tree", ("t",), "tree", "The tree of its objects, each with health and sync."),
    Action("view.diff", ("d",), "diff", "What differs from Git: of the object under the cursor, or of all."),
    Action("view.history", ("h",), "history", "Its history, with commit, author and time."),
    Action("view.yaml", ("y",), "YAML", "The live object under the cursor, secrets masked."),
    Action("view.sync", ("S",), "sync", "Syncs it, or the objects under the cursor or marked; asks first.",
           changes=True),
    Action("view.refresh", ("R",), "refresh", "Compares it with Git anew; asks first.", changes=True),
    Action("view.hard_refresh", ("ctrl+r",), "hard refresh", "As refresh, and drops what is cached; asks first.",
           changes=True),
    Action("view.rollback", ("B",), "roll back", "In the history: goes back to the entry under the cursor; asks"
           " first. Elsewhere: opens the history.", changes=True),
    Action("view.suspend", ("P",), "suspend", "Suspends automated sync, or resumes it where it is off; asks first.",
           changes=True),
    Action("view.terminate", ("X",), "terminate", "Ends the operation that is in progress; asks first.", changes=True),
    Action("pods.logs", ("l",), "logs", "The logs of the Pods at and below the object under the cursor, or of the whole"
           " application; they go on."),
    Action("pods.events", ("e",), "events", "The Events about the object under the cursor, or about the whole"
           " application, the newest last."),
    Action("pods.shell", ("x",), "shell", "A shell in the Pod under the cursor, or in the first of its Pods that runs;"
           " the console leaves the terminal meanwhile.", changes=True),
    Action("why.why", ("w",), "why", "What the application waits for: the object that holds it up, the way to it, its"
           " events, the end of its log, and what to do."),
    Action("tree.expand", ("right",), "open", "Opens the node, or goes to its first child."),
    Action("tree.collapse", ("left",), "close", "Closes the node, or goes to its parent."),
    Action("pager.shift_right", ("right",), "right", "What is to the right of the screen."),
    Action("pager.shift_left", ("left",), "left", "Back to the left."),
    Action("diff.columns", ("o",), "columns", "One column, or Git and live side by side."),
    Action("diff.fold", ("f",), "fold", "Shows or folds the fields that are equal."),
    Action("logs.follow", ("f",), "follow", "Follows the end, or stops where it is. Whoever moves up stops too."),
    Action("logs.container", ("o",), "container", "The next container of the Pods, after the last one the first."),
    Action("logs.previous", ("p",), "previous", "The container's last life, or this one."),
    Action("logs.times", ("T",), "times", "Shows or hides when each line was written."),
    Action("logs.wrap", ("w",), "wrap", "Wraps long lines, or cuts them at the edge."),
    Action("logs.search", ("slash",), "search", "Marks a text and goes to the last line that has it, n and N to the"
           " others; lower case finds both. esc takes it away."),
    Action("logs.save", ("ctrl+s",), "save", "Saves the lines that are kept in a file, and says in which."),
    Action("dialog.confirm", ("enter",), "confirm", "Does what the dialog shows."),
    Action("dialog.cancel", ("escape", "q"), "cancel", "Closes the dialog; nothing is done."),
    Action("dialog.prune", ("p",), "prune", "Sync and rollback: also deletes what is no longer in Git."),
    Action("dialog.dry_run", ("d",), "dry run", "Sync and rollback: only tries, changes nothing."),
    Action("dialog.restore", ("a",), "auto-sync back", "Rollback: switches automated sync on again when Git has"
           " moved on, if the console still runs then."),
    Action("dialog.revert", ("c",), "in Git", "Rollback: commits it to Git instead of the cluster alone."),
    Action("shell.open", ("enter",), "open", "Opens the shell in the container under the cursor."),
    Action("shell.down", ("down",), "down", "One container down."),
    Action("shell.up", ("up",), "up", "One container up."),
    Action("shell.copy_command", ("C",), "copy command", "Copies the command line that opens the same shell."),
    Action("shell.cancel", ("escape",), "cancel", "Closes the dialog; nothing is done."),
    Action("quit.quit_now", ("enter", "q", "y"), "quit", "Quits."),
    Action("quit.stay", ("escape", "n"), "stay", "Stays."),
)  # fmt: skip

_BY_ID = {action.id: action for action in ACTIONS}


def of_scope(scope: str) -> list[Action]:
    """The actions of one scope."""
    return [action for action in ACTIONS if action.scope == scope]


def bindings(*scopes: str, priority: bool = False) -> list[BindingType]:
    """The bindings of these scopes, each with the action's id, so that it can be given another key."""
    return [
        Binding(",".join(action.keys), action.name, action.label, id=action.id, show=False, priority=priority)
        for scope in scopes
        for action in of_scope(scope)
    ]


def binding(action_id: str, *keys: str) -> Binding:
    """One action's binding, on `keys` alone where some are given."""
    action = by_id(action_id)
    return Binding(",".join(keys or action.keys), action.name, action.label, id=action.id, show=False)


def by_id(action_id: str) -> Action:
    """The action of that id."""
    return _BY_ID[action_id]


def as_markdown() -> str:
    """`docs/keys.md`, whole."""
    lines = [
        "# Keys",
        "",
        "Made from `screens/actions.py` by `python -m screens.actions`; a test compares the two.",
        "",
    ]
    lines += [
        "Reading is on lower case, changing (marked •) on upper case with a dialog; the shell is on lower case, as",
        "elsewhere. `q` goes back, `ctrl+c` twice quits. Each key has an id, by which it can be given another one.",
        "",
    ]
    for scope, title in SCOPES.items():
        lines += [f"## {title}", "", "| key | id | what it does |", "|---|---|---|"]
        for action in of_scope(scope):
            keys = ", ".join(f"`{shown(key)}`" for key in action.keys)
            lines.append(f"| {keys}{' •' if action.changes else ''} | `{action.id}` | {action.help} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    from pathlib import Path

    Path(__file__).parent.parent.joinpath("docs", "keys.md").write_text(as_markdown(), encoding="utf-8")
