"""The menu of networks in the status line."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from functools import partial
from pathlib import Path

from isegm.demo.controller import Controller
from isegm.demo.dialogs import CHECKPOINTS, FileDialogs
from isegm.demo.widgets import Hint
from isegm.utils.lookup import checkpoints_in

ANOTHER = "Another file ..."


class NetworkMenu(tk.Menubutton):
    """Shows the present network, and loads another one: the shipped one, one of a folder, or any file.

    Args:
        master: the widget around it.
        controller: the controller of the network.
        files: asks for files.
        weights: folder of the networks to choose from.
        act: carries out an action and redraws.
    """

    def __init__(
        self,
        master: tk.Misc,
        controller: Controller,
        files: FileDialogs,
        weights: str | Path,
        act: Callable[[Callable[[], None]], None],
    ) -> None:
        super().__init__(master, relief=tk.RAISED, borderwidth=1, padx=4, pady=0)
        self.weights = weights
        self._controller = controller
        self._act = act
        self._files = files
        self.menu = self["menu"] = tk.Menu(self, tearoff=False, postcommand=self.fill)
        Hint(self, lambda: "The network that answers clicks: choose another one")

    def refresh(self) -> None:
        """Show the name of the present network."""
        name = self._controller.network
        text = f"Network: {name}" if name else "Network ..."
        if self["text"] != text:
            self["text"] = text

    def fill(self) -> None:
        """List the networks that there are at this moment."""
        self.menu.delete(0, tk.END)
        for path in checkpoints_in(self.weights):
            self.menu.add_command(label=path.stem, command=partial(self._use, path))
        self.menu.add_command(label=ANOTHER, command=self._ask)

    def _ask(self) -> None:
        if path := self._files.open("Choose a network", CHECKPOINTS):
            self._use(path)

    def _use(self, path: str | Path) -> None:
        self._act(lambda: self._controller.use_network(path))
