"""A whole run of the dock: its options, several files at once, and how it ends."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from scripts.docking import report, token
from scripts.docking.card import Card, CardFile, visible, walk
from scripts.docking.client import Station
from scripts.docking.deliver import Dock, Result, deliver
from scripts.docking.progress import Bars, PlainLines, shown
from scripts.docking.state import NoState, State, default_folder
from scripts.docking.troubles import CardTrouble, Stopped, Trouble
from scripts.docking.words import Words, language

DESCRIPTION = """\
Send what a recorder's card holds to a Zhenglian server, and wait until it is sealed.
Killed at any byte and started again, it goes on from that byte.

将执法记录仪存储卡中的文件上传到证链服务器，并等待封存。任何时候中断，重新运行即从中断处继续。
"""
EPILOGUE = """\
Sent is every regular file, empty and hidden ones and wastebaskets included. Left out, and named
at the end: links, what operating systems keep for themselves (System Volume Information,
.Spotlight-V100, .fseventsd, .DS_Store, Thumbs.db, …), and what --skip says.
上传所有普通文件，包括空文件、隐藏文件和回收站。系统自用文件、链接和 --skip 指定的文件不上传，
最后逐一列出。

exit codes / 退出码:
  0    every file is sealed, or the same bytes were already
       全部已封存（或内容已封存过）
  1    some file was quarantined, failed, or should be removed and was not
       有文件被隔离、失败或未能清除
  2    the command line, the token file or the card cannot be read
       参数、令牌文件或存储卡有误
  130  stopped by Ctrl-C; start again to go on
       被中断，重新运行即可继续

example / 示例:
  ./scripts/dock /media/HD-012 --server https://evidence.example.gov.cn \\
      --token-file ~/dock.token --recorder HD-012 --wipe
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dock",
        description=DESCRIPTION,
        epilog=EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "card",
        metavar="CARD",
        type=Path,
        help="a mounted card, a folder or one file 存储卡、文件夹或单个文件",
    )
    add("--server", metavar="URL", required=True, help="the server's address 服务器地址")
    add(
        "--token-file",
        metavar="FILE",
        type=Path,
        required=True,
        help="the token on its first line; `key <verifier key>` on another pins the key of "
        "receipts; chmod 600 第一行为令牌，另一行 key <公钥> 固定回执公钥，权限应为 600",
    )
    add(
        "--recorder",
        metavar="NUMBER",
        default="",
        help="the recorder's number, such as HD-012; else from file names 记录仪编号",
    )
    add("--jobs", metavar="N", type=_count, default=3, help="files at once (3) 同时处理的文件数")
    add(
        "--wipe",
        action="store_true",
        help="remove each file from the card once the server's signed receipt for its bytes is "
        "verified 验证签名回执后从卡上清除",
    )
    _add_manners(add)
    return parser


def _add_manners(add: Callable[..., object]) -> None:
    """The options that change how the dock goes about it, and not what is done."""
    add(
        "--skip",
        metavar="PATTERN",
        action="append",
        default=[],
        help="leave out, such as '*.THM'; may be repeated 不上传的文件，可多次给出",
    )
    add(
        "--give-up",
        metavar="SECONDS",
        type=float,
        default=600.0,
        help="on one file, after so long without progress (600) 单个文件无进展时的放弃时限",
    )
    add(
        "--lang",
        choices=("zh", "en"),
        help="language of messages; else LANG's 提示语言，缺省取 LANG",
    )
    add("--json", action="store_true", help="a JSON line a file on stdout 每个文件输出一行 JSON")
    add(
        "--state",
        metavar="DIR",
        type=Path,
        help="where unfinished uploads are noted (~/.local/state/zhenglian-dock) 状态目录",
    )


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 32:
        raise argparse.ArgumentTypeError("1 … 32")
    return number


def main(arguments: list[str] | None = None) -> int:
    """Run the dock; its exit code."""
    options = _parser().parse_args(arguments)
    words = Words(language(options.lang))
    try:
        station, keys = _station(options, words)
        card = walk(options.card, options.skip)
        if not card.files and not card.unreadable:
            raise CardTrouble("card_empty")
    except Trouble as trouble:
        report.say(words.of(trouble))
        return 2
    state = _state(options.state or default_folder(), words)
    try:
        with shown(card.files, words) as tell:
            dock = Dock(
                station=station,
                state=state,
                tell=tell,
                keys=keys,
                recorder=options.recorder.strip(),
                wipe=options.wipe,
                give_up=options.give_up,
            )
            results = _Run(card, dock, tell, words, options).go()
    finally:
        state.close()
    return _end(results, card, dock, words)


def _station(options: argparse.Namespace, words: Words) -> tuple[Station, tuple[str, ...]]:
    parts = urlsplit(options.server)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise Trouble("bad_server")
    pinned = token.read(options.token_file)
    if pinned.open_to_others:
        report.say(words("token_open", path=visible(str(options.token_file))))
    if options.wipe and not pinned.keys:
        raise Trouble("no_key")
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        report.say(words("token_in_clear"))
    return Station(options.server.rstrip("/"), pinned.token, words.language), pinned.keys


def _state(folder: Path, words: Words) -> State | NoState:
    try:
        return State(folder)
    except (OSError, sqlite3.Error) as error:
        report.say(words("no_state", folder=visible(str(folder)), reason=error))
        return NoState()


class _Run:
    """The files of a card through as many threads as --jobs says."""

    def __init__(
        self,
        card: Card,
        dock: Dock,
        tell: Bars | PlainLines,
        words: Words,
        options: argparse.Namespace,
    ) -> None:
        self._card = card
        self._dock = dock
        self._tell = tell
        self._words = words
        self._options = options
        self._one_line = threading.Lock()

    def go(self) -> list[Result]:
        results = []
        for name, reason in self._card.unreadable:
            why = CardTrouble("file_unreadable", reason=reason)
            results.append(self._told(Result(name=name, why=why)))
        restore = _stop_on_signals(self._stop)
        try:
            with ThreadPoolExecutor(self._options.jobs) as threads:
                waiting = {threads.submit(self._one, file) for file in self._card.files}
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    results += [r for future in done if (r := _result(future))]
        finally:
            restore()
        return results

    def _one(self, file: CardFile) -> Result:
        if self._dock.stop.is_set():
            raise Stopped
        try:
            return self._told(deliver(file, self._dock))
        except Exception as error:
            if isinstance(error, Stopped):
                raise
            # One failing file never blocks the rest, whatever it was.
            why = Trouble("unforeseen", reason=f"{type(error).__name__}: {error}")
            return self._told(Result(name=file.relative, size=file.size, why=why))
        finally:
            self._tell.finished(file)

    def _told(self, result: Result) -> Result:
        said = report.json_line if self._options.json else report.line
        with self._one_line:
            print(said(result, self._words), flush=True)
        return result

    def _stop(self) -> None:
        self._dock.stop.set()
        for link in list(self._dock.links):
            link.abort()


def _result(future: Future[Result]) -> Result | None:
    try:
        return future.result()
    except Stopped:
        return None


def _stop_on_signals(stop: Callable[[], None]) -> Callable[[], None]:
    """Let Ctrl-C and SIGTERM call `stop`, a second one end at once; how to undo that."""
    if threading.current_thread() is not threading.main_thread():
        return lambda: None

    def stopping(number: int, frame: FrameType | None) -> None:
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_DFL)
        stop()

    before = {n: signal.signal(n, stopping) for n in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    return restore


def _end(results: list[Result], card: Card, dock: Dock, words: Words) -> int:
    if card.left_out:
        report.say(words("left_out", names=", ".join(map(visible, sorted(card.left_out)))))
    report.say(report.summary(results, words))
    if dock.stop.is_set():
        report.say(words("stopped"))
        return 130
    return 0 if all(result.good for result in results) else 1
