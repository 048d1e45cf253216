"""What ptquiz says in English and in Chinese: choosing the language, and the words of the tables."""

from __future__ import annotations

import os

from ptquiz.errors import Words, said

LANGS = ("en", "zh")

STATES = {
    "not started": ("not started", "未开始"),
    "started": ("started", "进行中"),
    "passed": ("passed", "已通过"),
    "revealed": ("revealed", "看过答案"),
}
TOPICS = {
    "fundamentals": ("fundamentals", "基础"),
    "distributed": ("distributed", "分布式"),
    "devices": ("devices", "设备"),
    "memory": ("memory", "显存"),
    "streams": ("streams", "CUDA 流"),
}
LEVELS = {"easy": ("easy", "简单"), "medium": ("medium", "中等"), "hard": ("hard", "困难")}
DEVICES = {
    "cpu": ("CPU", "CPU"),
    "gpu": ("GPU", "GPU"),
    "sim": ("the simulated CUDA device", "模拟 CUDA 设备"),
    "cuda": ("the CUDA device", "真实 CUDA 设备"),
}
VERDICTS = {
    "passed": ("Passed", "通过"),
    "failed": ("Not passed", "未通过"),
    "broken": ("Could not be judged", "无法评判"),
}
CAUSES = {
    "wrong": ("a check found a mistake", "有检查项不符合要求"),
    "error": ("your code raised an error", "代码抛出了异常"),
    "timeout": ("it took too long", "运行超时"),
    "memory": ("it used too much memory", "占用内存过多"),
    "exited": ("your code ended the process", "代码自行退出了进程"),
    "crashed": ("the process crashed", "进程崩溃"),
    "tampered": ("your code replaced what the checks rely on", "代码替换了检查所依赖的函数"),
    "unreadable": ("the file cannot be read as Python", "文件无法按 Python 源码读取"),
}
OUTCOMES = {
    "passed": ("passed", "通过"),
    "failed": ("failed", "未通过"),
    "error": ("error", "出错"),
    "skipped": ("skipped", "跳过"),
}


def language(option: str | None = None) -> str:
    """ "en" or "zh": the option, else the locale's (LC_ALL, LC_MESSAGES, LANG: the first that is set)."""
    if option:
        return option
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def word(table: dict[str, tuple[str, str]], key: str | None, lang: str) -> str:
    """The table's word for `key`, or the key itself."""
    return said(table.get(key or "", key or ""), lang)


def when(stamp: str | None) -> str:
    """An ISO time as one reads it: "2026-11-30 14:05"."""
    return stamp[:16].replace("T", " ") if stamp else ""


def seconds(value: float) -> str:
    """A duration for people: "0.31 s", "2 min 5 s"."""
    if value < 60:
        return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"
    return f"{int(value) // 60} min {int(value) % 60} s"


__all__ = ["LANGS", "Words", "language", "said", "seconds", "when", "word"]
