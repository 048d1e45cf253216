"""Checks of exercise 13: a checkpoint from which training resumes to the last bit."""

import contextlib
import copy
import linecache
import os
import sys
from pathlib import Path

import torch
from torch import nn

from ptquiz.worker import claims


class _Crash(BaseException):
    """What the checks raise in the middle of the learner's function."""


class _Unpicklable:
    """A value in the optimizer's state that cannot be written to a file."""

    def __reduce__(self):
        raise RuntimeError("this value cannot be pickled")


class _Moves:
    """Notes the folders out of which a file is renamed to `path`, while it is on."""

    def __init__(self):
        self.path, self.folders, self.hooked = None, [], False

    def watch(self, path):
        self.path, self.folders = os.path.realpath(path), []
        if not self.hooked:
            self.hooked = True
            sys.addaudithook(self._note)

    def _note(self, event, arguments):
        if event == "os.rename" and self.path is not None:
            source, target = (os.path.realpath(os.fsdecode(name)) for name in arguments[:2])
            if target == self.path:
                self.folders.append(str(Path(source).parent))


_moves = _Moves()


def _objects(draw, kind="sgd"):
    """A model with dropout and batch norm, its optimizer and its scheduler; weights drawn afresh."""
    model = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Dropout(0.4), nn.Linear(7, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(draw.randn(*parameter.shape, dtype=torch.float32) * 0.5)
    if kind == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
        return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    return model, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)


def _batches(draw):
    return [(draw.randn(n, 5, dtype=torch.float32), draw.integers(0, 3, (n,))) for n in (6, 4, 5)]


def _train(objects, batches, epochs):
    """Run the epochs; the losses seen on the way."""
    model, optimizer, scheduler = objects
    losses = []
    for _ in epochs:
        for inputs, targets in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
    return losses


def _states(objects):
    return [copy.deepcopy(thing.state_dict()) for thing in objects]


def _trained(draw, epochs=2, kind="sgd"):
    objects = _objects(draw, kind)
    torch.manual_seed(draw.integer(0, 10**6))
    _train(objects, _batches(draw), range(epochs))
    return objects


def _saved(submission, path, objects, epoch):
    model, optimizer, scheduler = objects
    submission.save_checkpoint(path, model, optimizer, scheduler, epoch)
    claims.that(
        Path(path).is_file(),
        ("a file at path after save_checkpoint", "save_checkpoint 之后 path 处有文件"),
        ("none", "没有文件"),
    )


def _reloaded(submission, path, draw, kind="sgd"):
    """Fresh objects with the checkpoint loaded into them, and the epoch that came back."""
    fresh = _objects(draw, kind)
    epoch = submission.load_checkpoint(path, *fresh)
    return fresh, epoch


def test_names(submission):
    """Both functions exist."""
    for name in ("save_checkpoint", "load_checkpoint"):
        value = getattr(submission, name)
        claims.that(callable(value), (f"a function {name}", f"函数 {name}"), claims.summary(value))


def test_next_epoch(submission, draw, tmp_path):
    """load_checkpoint returns the epoch to run next."""
    objects = _trained(draw, 1)
    for epoch in (0, 1, draw.integer(5, 90)):
        for path in (tmp_path / f"run-{epoch}.pt", str(tmp_path / f"again-{epoch}.pt")):
            _saved(submission, path, objects, epoch)
            _, came = _reloaded(submission, path, draw)
            what = (
                f"load_checkpoint after save_checkpoint(..., epoch={epoch})",
                f"save_checkpoint(..., epoch={epoch}) 之后的 load_checkpoint",
            )
            claims.instance(came, int, what)
            look = ("epoch is the one just finished", "epoch 是刚刚完成的那一轮")
            claims.same(int(came), epoch + 1, what, look=look)
    last = draw.integer(5, 90)
    for epoch in (last, last - 1, 0, 0):
        _saved(submission, tmp_path / "same.pt", objects, epoch)
        _, came = _reloaded(submission, tmp_path / "same.pt", draw)
        what = (
            f"load_checkpoint after save_checkpoint(..., epoch={epoch}) over an earlier file",
            f"save_checkpoint(..., epoch={epoch}) 覆盖旧文件之后的 load_checkpoint",
        )
        look = ("each save replaces what was there", "每次保存都替换原有的文件")
        claims.same(int(came), epoch + 1, what, look=look)


def test_weights_only(submission, draw, tmp_path):
    """The file opens with weights_only=True."""
    _saved(submission, tmp_path / "run.pt", _trained(draw), 1)
    try:
        torch.load(tmp_path / "run.pt", weights_only=True)
    except Exception as error:
        claims.fail(
            (
                "torch.load(path, weights_only=True) opens the file",
                "torch.load(path, weights_only=True) 能打开文件",
            ),
            f"{type(error).__name__}: {str(error).split('.')[0][:120]}",
            (
                "save state_dicts, tensors and plain types, not objects",
                "只保存 state_dict、张量与普通类型，不要保存对象",
            ),
        )


def _state_comes_back(submission, draw, tmp_path, index, what, look):
    for kind in ("sgd", "adam"):
        objects = _trained(draw, 3, kind)
        expected = _states(objects)[index]
        _saved(submission, tmp_path / f"{kind}.pt", objects, 2)
        _train(objects, _batches(draw), range(1))
        fresh, _ = _reloaded(submission, tmp_path / f"{kind}.pt", draw, kind)
        claims.same(_states(fresh)[index], expected, what, look=look)


def test_model(submission, draw, tmp_path):
    """Parameters and buffers come back."""
    what = ("model.state_dict() after load_checkpoint", "load_checkpoint 之后的 model.state_dict()")
    look = (
        "buffers such as BatchNorm's running mean belong to it",
        "BatchNorm 的滑动均值等 buffer 也包括在内",
    )
    _state_comes_back(submission, draw, tmp_path, 0, what, look)


def test_optimizer(submission, draw, tmp_path):
    """The optimizer's state comes back."""
    what = ("optimizer.state_dict() after load_checkpoint", "load_checkpoint 之后的 optimizer.state_dict()")
    look = ("momentum buffers and the current lr are state", "动量缓冲与当前学习率都是状态")
    _state_comes_back(submission, draw, tmp_path, 1, what, look)


def test_scheduler(submission, draw, tmp_path):
    """The scheduler's state comes back."""
    what = ("scheduler.state_dict() after load_checkpoint", "load_checkpoint 之后的 scheduler.state_dict()")
    look = ("the scheduler counts its own steps", "调度器自己记着走了多少步")
    _state_comes_back(submission, draw, tmp_path, 2, what, look)


def test_random_numbers(submission, draw, tmp_path):
    """The random number generator goes on where it was."""
    objects = _trained(draw, 1)
    torch.rand(draw.integer(1, 9))
    _saved(submission, tmp_path / "run.pt", objects, 0)
    expected = torch.rand(5)
    fresh = _objects(draw)
    torch.manual_seed(draw.integer(0, 10**6))
    submission.load_checkpoint(tmp_path / "run.pt", *fresh)
    claims.same(
        torch.rand(5),
        expected,
        ("torch.rand(5) after load_checkpoint", "load_checkpoint 之后的 torch.rand(5)"),
        look=(
            "save the state of torch's generator; a seed is only where it began",
            "要保存 torch 随机数发生器的状态；种子只是起点",
        ),
    )


def test_saving_changes_nothing(submission, draw, tmp_path):
    """Saving changes nothing."""
    for training in (True, False):
        objects = _trained(draw)
        objects[0].train(training)
        states, random = _states(objects), torch.get_rng_state()
        _saved(submission, tmp_path / "run.pt", objects, 1)
        claims.same(
            torch.get_rng_state(),
            random,
            ("torch.get_rng_state() after save_checkpoint", "save_checkpoint 之后的 torch.get_rng_state()"),
        )
        claims.same(_states(objects), states, ("the objects' states after saving", "保存之后各对象的状态"))
        for name, module in objects[0].named_modules():
            which = f"model[{name}]" if name else "model"
            what = (f"{which}.training after save_checkpoint", f"save_checkpoint 之后的 {which}.training")
            claims.same(module.training, training, what)


def test_resume(submission, draw, tmp_path):
    """Two epochs, a checkpoint and two more equal four epochs, bit for bit."""
    for kind in ("sgd", "adam"):
        straight, batches, seed = _objects(draw, kind), _batches(draw), draw.integer(0, 10**6)
        stopped = _objects(draw, kind)
        stopped[0].load_state_dict(straight[0].state_dict())
        torch.manual_seed(seed)
        expected = _train(straight, batches, range(4))
        torch.manual_seed(seed)
        came = _train(stopped, batches, range(2))
        path = tmp_path / f"{kind}.pt"
        _saved(submission, path, stopped, 1)
        torch.manual_seed(seed + 1)
        fresh, epoch = _reloaded(submission, path, draw, kind)
        came += _train(fresh, batches, range(epoch, 4))
        name = type(fresh[1]).__name__
        look = (
            "something that the rest of the run depends on was not restored",
            "后续训练依赖的某项状态没有恢复",
        )
        claims.same(came, expected, (f"the losses of four epochs, {name}", f"四轮的损失，{name}"), look=look)
        claims.same(
            _states(fresh), _states(straight), (f"the final states, {name}", f"最终状态，{name}"), look=look
        )


def test_failed_save(submission, draw, tmp_path):
    """A save that fails leaves the earlier file intact."""
    path = tmp_path / "run.pt"
    objects = _trained(draw)
    _saved(submission, path, objects, 1)
    before = path.read_bytes()
    _train(objects, _batches(draw), range(1))
    first = next(iter(objects[0].parameters()))
    objects[1].state[first]["note"] = _Unpicklable()
    try:
        submission.save_checkpoint(path, *objects, 2)
    except Exception:
        failed = True
    else:
        failed = False
    claims.that(
        failed,
        ("save_checkpoint raises when a value cannot be written", "有值无法写入时 save_checkpoint 抛出异常"),
        ("it returned as if all were well", "它若无其事地返回了"),
        ("do not swallow the error, and do not leave anything out", "不要吞掉异常，也不要漏存"),
    )
    came = path.read_bytes() if path.is_file() else b""
    claims.that(
        came == before,
        ("the earlier file, byte for byte, after a save that failed", "保存失败之后，旧文件一个字节都没有变"),
        (
            f"a file of {len(came)} bytes instead of {len(before)}",
            f"{len(came)} 字节的文件，原为 {len(before)} 字节",
        ),
        ("write to another name, then os.replace", "先写到另一个文件名，再 os.replace"),
    )


def _replaced(submission, draw, path, link):
    objects = _trained(draw)
    _saved(submission, path, objects, 1)
    before = path.read_bytes()
    os.link(path, link)  # a second name of the same file: it sees whatever is written into it
    _train(objects, _batches(draw), range(1))
    _moves.watch(path)
    _saved(submission, path, objects, 2)
    claims.that(
        link.read_bytes() == before,
        (
            f"the earlier file {path.name} is never opened for writing",
            f"绝不打开旧文件 {path.name} 来写",
        ),
        (
            "its bytes were changed in place; a crash in between would have ruined it",
            "它的内容被就地改写了；中途崩溃就会毁掉它",
        ),
        (
            "os.replace puts a complete file in place in one step; its name differs from that of path",
            "os.replace 一步就能换上完整的文件；临时文件的名字要与 path 不同",
        ),
    )
    home = os.path.realpath(path.parent)
    for folder in _moves.folders:
        claims.that(
            os.path.commonpath([folder, home]) == home,
            ("the new file is written in the folder of path", "新文件写在 path 所在的目录里"),
            (f"it was moved there from {folder}", f"它是从 {folder} 移过来的"),
            (
                "from another file system a move is a copy and not one step",
                "跨文件系统的移动其实是复制，不是一步完成的",
            ),
        )


def test_replaced_not_overwritten(submission, draw, tmp_path):
    """The earlier file is replaced, never written into."""
    for name in ("run.pt", "run.tmp", "run"):
        folder = tmp_path / f"folder of {name}"
        folder.mkdir()
        _replaced(submission, draw, folder / name, tmp_path / f"kept {name}")


def _crash_at(line_number, filename, call):
    """Call, and raise _Crash at the given line event of the learner's file; True if it came to that."""
    left = line_number

    def trace(frame, event, _):
        nonlocal left
        if frame.f_code.co_filename != filename:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise _Crash
        return trace

    earlier = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except BaseException:
        if left > 0:
            raise
    finally:
        sys.settrace(earlier)
    return left <= 0


def _seen_at_each_line(filename, path, call):
    """Call; what is at path before each line of the learner's file, as (line number, bytes or None)."""
    seen = []

    def trace(frame, event, _):
        if frame.f_code.co_filename != filename:
            return None
        if event == "line":
            seen.append((frame.f_lineno, path.read_bytes() if path.is_file() else None))
        return trace

    earlier = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(earlier)
    return seen


def _never_gone(submission, path, objects, filename):
    """Claim that path is a complete file, the old one or the new one, at every line of a save."""
    before = path.read_bytes()
    seen = _seen_at_each_line(filename, path, lambda: submission.save_checkpoint(path, *objects, 7))
    after = path.read_bytes()
    for number, content in seen:
        line = linecache.getline(filename, number).strip()[:60]
        if content is None:
            came = ("there was no file at all", "那里根本没有文件")
        else:
            came = (
                f"there was an incomplete file, {len(content)} bytes",
                f"是不完整的文件，{len(content)} 字节",
            )
        claims.that(
            content in (before, after),
            (
                f"a complete file at path when line {number} begins: {line}",
                f"执行到第 {number} 行时 path 处有完整的文件：{line}",
            ),
            came,
            (
                "a process that is killed here restores nothing: never move the earlier file away",
                "进程若在此刻被杀死，什么也来不及恢复：不要把旧文件移走",
            ),
        )


def test_crash_at_any_line(submission, draw, tmp_path):
    """A crash at any line leaves a whole checkpoint."""
    code = getattr(submission.save_checkpoint, "__code__", None)
    if code is None:  # a callable of another kind has no lines of its own to stop at
        return
    objects = _trained(draw)
    path = tmp_path / "run.pt"
    _saved(submission, path, objects, 1)
    whole, crashed, line = path.read_bytes(), True, 0
    _never_gone(submission, path, objects, code.co_filename)
    while crashed and line < 150:
        line += 1
        folder = tmp_path / str(line)
        folder.mkdir()
        path = folder / "run.pt"
        path.write_bytes(whole)
        crashed = _crash_at(
            line, code.co_filename, lambda path=path: submission.save_checkpoint(path, *objects, 7)
        )
        what = (
            f"the file at path after a crash at step {line} of save_checkpoint",
            f"save_checkpoint 执行到第 {line} 步时崩溃之后，path 处的文件",
        )
        look = ("there must be no moment without a complete file at path", "任何时刻 path 处都要有完整的文件")
        claims.that(path.is_file(), what, ("no file", "没有文件"), look)
        try:
            _, epoch = _reloaded(submission, path, draw)
        except Exception as error:
            claims.fail(what, f"{type(error).__name__}: {str(error).splitlines()[0][:120]}", look)
        claims.that(
            epoch in (2, 8), what, (f"one that resumes at {epoch}", f"从第 {epoch} 轮继续的存档"), look
        )


def _only(path, when, look=""):
    """Claim that path is the only file in its folder."""
    names = sorted(entry.name for entry in path.parent.iterdir())
    claims.that(
        names == [path.name],
        (f"{path.name} alone in the folder after {when[0]}", f"{when[1]}之后，目录里只有 {path.name}"),
        ", ".join(names),
        look,
    )


def test_nothing_left_behind(submission, draw, tmp_path):
    """A successful save leaves one file."""
    objects, path = _trained(draw), tmp_path / "run.pt"
    for epoch in range(3):
        _saved(submission, path, objects, epoch)
    _only(path, ("three saves", "保存三次"))
    first = next(iter(objects[0].parameters()))
    objects[1].state[first]["note"] = _Unpicklable()
    with contextlib.suppress(Exception):
        submission.save_checkpoint(path, *objects, 3)
    del objects[1].state[first]["note"]
    _saved(submission, path, objects, 3)
    look = (
        "a save that fails removes its temporary file, or the next one uses the same name",
        "保存失败时要删掉临时文件，或者让下一次保存沿用同一个名字",
    )
    _only(path, ("a save that failed and one that succeeded", "一次保存失败、再一次保存成功"), look)
