"""Every sentence that the dock says, in English and Chinese."""

from __future__ import annotations

import os
from collections.abc import Mapping

from scripts.docking.troubles import Trouble

SENTENCES: Mapping[str, tuple[str, str]] = {
    # phases
    "phase_digest": ("reading", "读取"),
    "phase_ask": ("asking", "查询"),
    "phase_send": ("sending", "上传"),
    "phase_seal": ("being sealed", "等待封存"),
    "phase_wipe": ("checking before removal", "清除前复核"),
    "total": ("all files", "全部"),
    # outcomes
    "sealed": ("sealed {label}", "已封存 {label}"),
    "sealed_earlier": ("sealed {label} (before this run)", "已封存 {label}（此前已上传）"),
    "duplicate": ("duplicate of {label}", "与 {label} 相同，未重复保存"),
    "quarantined": (
        "quarantined: these differ: {differed}. The file stays on the card; "
        "tell your administrator, then start again to send it afresh.",
        "已隔离：以下不一致：{differed}。文件保留在卡上；请告知管理员，然后重新运行以再次上传。",
    ),
    "differed_length": ("length", "长度"),
    "differed_received": ("received and read back", "接收与回读"),
    "differed_claimed": ("claimed at the source and received", "源端声明与接收"),
    "differed_unknown": ("see the console", "详见控制台"),
    "failed": ("failed: {why}", "失败：{why}"),
    "recorder_unknown": (
        "the recorder {number} is not in the register, so no unit has it: have the administrator "
        "enter it, and this will belong to it",
        "记录仪 {number} 尚未登记，未归属任何机构：请管理员登记，登记后即归属其机构",
    ),
    "recorder_unnamed": (
        "neither its name nor --recorder says which recorder it is from, so no unit has it; the "
        "archivist can attach it to its case. Give --recorder before you send the next",
        "文件名和 --recorder 均未指明记录仪，未归属任何机构；"
        "档案员仍可将其关联到案件。下次上传前请用 --recorder 指明",
    ),
    "recorder_unknown_earlier": (
        "its recorder was not known when it was sent, so no unit has it, and --recorder changes "
        "that no more: if it named one that is not in the register, have the administrator enter "
        "it; otherwise the archivist can attach it to its case",
        "上传时记录仪不明，未归属任何机构，现在用 --recorder 指明已无效："
        "如当时指明的记录仪尚未登记，请管理员登记；否则请档案员将其关联到案件",
    ),
    "removed": ("removed from the card", "已从卡上清除"),
    "kept": ("NOT removed: {why}", "未清除：{why}"),
    # the card
    "card_unreadable": (
        "The card cannot be read: {reason}. Is it mounted, and at this path?",
        "无法读取存储卡：{reason}。请确认已挂载且路径正确。",
    ),
    "card_empty": (
        "There is no file on the card. Is it mounted, and at this path?",
        "卡上没有文件。请确认已挂载且路径正确。",
    ),
    "file_unreadable": (
        "the card cannot be read here: {reason}. Keep the card, and try another reader.",
        "卡上此处无法读取：{reason}。请保留存储卡并更换读卡器重试。",
    ),
    "file_changed": (
        "the file changed or was exchanged while it was read. Start again.",
        "文件在读取期间发生变化。请重新运行。",
    ),
    "left_out": ("left out: {names}", "未上传（系统文件、链接或 --skip 指定）：{names}"),
    # the server
    "unreachable": ("the server cannot be reached ({reason})", "无法连接服务器（{reason}）"),
    "connection_lost": ("the connection was lost ({reason})", "连接中断（{reason}）"),
    "server_busy": ("the server says {status} {title}", "服务器返回 {status} {title}"),
    "other_writer": (
        "another dock is sending this file just now",
        "另一采集站正在上传此文件",
    ),
    "waiting": ("{why}; trying again in {seconds:.1f} s", "{why}；{seconds:.1f} 秒后重试"),
    "gave_up": (
        "given up after {seconds} s without progress: {last}. "
        "Start again later: it goes on where it stopped.",
        "{seconds} 秒内无进展，已放弃：{last}。稍后重新运行，将从中断处继续。",
    ),
    "still_sealing": (
        "the server has every byte and is still sealing. Start again later to see the result.",
        "服务器已收到全部内容，仍在封存。请稍后重新运行以查看结果。",
    ),
    "token_refused": (
        "the token has expired or was revoked. Ask your administrator to issue another one for "
        "this station, put it on the first line of the token file and start again: "
        "it goes on where it stopped.",
        "令牌已过期或被撤销。请向管理员索取本采集站的新令牌，写入令牌文件第一行后重新运行，将从中断处继续。",
    ),
    "server_full": (
        "the server is full. The file stays on the card; tell your administrator to make room, "
        "then start again.",
        "服务器存储空间已满。文件保留在卡上；请管理员腾出空间后重新运行。",
    ),
    "refused": ("the server refuses it: {status} {title}", "服务器拒绝：{status} {title}"),
    "redirected": (
        "the server sends elsewhere: give {to} as --server",
        "服务器重定向：请将 --server 改为 {to}",
    ),
    "not_zhenglian": (
        "there is no Zhenglian server at this address",
        "此地址不是证链服务器",
    ),
    "certificate": (
        "the server's TLS certificate is not trusted ({reason}). Name your bureau's authority "
        "in SSL_CERT_FILE.",
        "服务器 TLS 证书不受信任（{reason}）。请用 SSL_CERT_FILE 指定本单位的根证书。",
    ),
    "identifier_reused": (
        "the server knows this upload with other content. Tell your administrator.",
        "服务器上同一标识对应其他内容。请告知管理员。",
    ),
    "upload_gone": (
        "the server does not keep this upload any more. Start again.",
        "服务器已不再保留此上传。请重新运行。",
    ),
    "never_closes": (
        "every earlier upload of it was given up or quarantined. Tell your administrator.",
        "此文件此前的上传均被放弃或隔离。请告知管理员。",
    ),
    "quarantined_before": (
        "an earlier upload was quarantined ({why}); sending it afresh",
        "此前的上传已被隔离（{why}），现重新上传",
    ),
    "unforeseen": (
        "something unforeseen ({reason}). The file stays on the card.",
        "意外错误（{reason}）。文件保留在卡上。",
    ),
    # receipts
    "no_key": (
        "no receipt key is pinned. Ask your administrator for the log's verifier key, and add "
        "it to the token file as a line `key <verifier key>`.",
        "令牌文件中没有回执公钥。请向管理员索取验证公钥，以“key <公钥>”一行写入令牌文件。",
    ),
    "no_receipt": ("the server gave no receipt", "服务器未给出回执"),
    "receipt_forged": (
        "the server's receipt is not proven by the pinned key ({reason}). Keep the card, and "
        "tell your administrator; if the log's key was changed, a second line `key <verifier key>` "
        "of the token file names the new one.",
        "回执未通过固定公钥验证（{reason}）。请保留存储卡并告知管理员；"
        "如日志密钥已更换，请在令牌文件中另加一行“key <新公钥>”。",
    ),
    "receipt_of_other": (
        "the server's receipt does not prove this. {reason} Keep the card, and tell your "
        "administrator.",
        "回执不能证明此内容（{reason}）。请保留存储卡并告知管理员。",
    ),
    "card_differs": (
        "the card now holds other bytes than those that were sealed. Keep the card.",
        "卡上内容与已封存内容不一致。请保留存储卡。",
    ),
    "not_removed": ("it cannot be removed: {reason}", "无法清除：{reason}"),
    # the run
    "token_open": (
        "The token file can be read by others: chmod 600 {path}",
        "令牌文件可被他人读取，请执行：chmod 600 {path}",
    ),
    "token_file_unreadable": (
        "The token file cannot be read: {reason}",
        "无法读取令牌文件：{reason}",
    ),
    "token_file_malformed": (
        "{path} is no token file: the token is its first line, and `key <verifier key>` another.",
        "{path} 不是令牌文件：第一行应为令牌，另一行为“key <验证公钥>”。",
    ),
    "bad_server": (
        "--server is an address such as https://evidence.example.gov.cn",
        "--server 应为类似 https://evidence.example.gov.cn 的地址",
    ),
    "token_in_clear": (
        "The token travels unencrypted: use https where the server has it.",
        "令牌以明文传输：服务器支持时请使用 https。",
    ),
    "no_state": (
        "No state can be kept in {folder} ({reason}); the server will be asked instead.",
        "无法在 {folder} 保存状态（{reason}）；将改为向服务器查询。",
    ),
    "stopped": (
        "Stopped. Start again, and it goes on where it stopped.",
        "已停止。重新运行将从中断处继续。",
    ),
    "summary": (
        "{sealed} sealed, {duplicate} duplicates, {quarantined} quarantined, {failed} failed; "
        "{wiped} removed from the card; {sent} sent",
        "封存 {sealed}，重复 {duplicate}，隔离 {quarantined}，失败 {failed}；"
        "从卡上清除 {wiped}；上传 {sent}",
    ),
}


def language(asked: str | None) -> str:
    """`zh` or `en`: what was asked for, else what the environment speaks."""
    if asked:
        return asked
    speaks = next((v for v in map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG")) if v), "")
    return "zh" if speaks.lower().startswith("zh") else "en"


class Words:
    """The sentences in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._column = 1 if language == "zh" else 0

    def __call__(self, key: str, **facts: object) -> str:
        said = {name: self._fact(value) for name, value in facts.items()}
        return SENTENCES[key][self._column].format_map(said)

    def _fact(self, value: object) -> object:
        if isinstance(value, Trouble):
            return self.of(value)
        if isinstance(value, list | tuple):
            return "; ".join(map(self.of, value))
        return value

    def of(self, trouble: Trouble) -> str:
        """The sentence for a trouble, and for the one inside it."""
        return self(trouble.key, **trouble.facts)
