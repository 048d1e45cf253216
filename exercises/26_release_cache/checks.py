"""Checks of exercise 26: what goes back to the driver."""

import contextlib
import gc

import torch
from torch import nn

from ptquiz.worker import claims

MIB = 1 << 20


def _mib(count, device="cuda"):
    """A tensor of that many MiB; above 10 MiB it has a segment of its own."""
    return torch.ones(count * MIB, dtype=torch.uint8, device=device)


def _fresh():
    gc.collect()
    torch.cuda.empty_cache()


MEASURE = ("measure before and after; do not add up sizes", "前后各测一次，不要累加大小")


def _release(submission, holder, names, device="cuda", look=MEASURE):
    """Call release and compare what it returns with what happened."""
    before = torch.cuda.memory_reserved(device)
    came = submission.release(holder, list(names), device)
    fallen = before - torch.cuda.memory_reserved(device)
    what = f"release(holder, {names!r}, {device!r})"
    claims.instance(came, int, what)
    claims.that(
        came == fallen,
        (
            f"{what} == {fallen}, the fall of memory_reserved",
            f"{what} == {fallen}，即 memory_reserved 的下降量",
        ),
        f"{came}",
        look,
    )
    return came


def _regained(came, expected, case):
    """Claim how many bytes came back."""
    claims.that(
        came == expected,
        (f"{case[0]}, release returns {expected}", f"{case[1]}，release 返回 {expected}"),
        f"{came}",
    )


def _keys(holder, expected, case):
    """Claim which keys are left, in their order."""
    claims.that(
        list(holder) == expected,
        (f"{case[0]} holder has the keys {expected}", f"{case[1]} holder 的键是 {expected}"),
        f"{list(holder)}",
    )


def test_drops(submission, draw, gpu):
    """The named entries are dropped and nothing else."""
    for names in (["a"], ["c", "a"], [], ["b", "b", "c"], ["a", "b", "c", "d"]):
        _fresh()
        values = {name: _mib(draw.integer(1, 3)) for name in "abcd"}
        holder, left = dict(values), [name for name in "abcd" if name not in names]
        kept = {name: values[name] for name in left}
        del values
        given = list(names)
        came = submission.release(holder, given, "cuda")
        what = f"release(holder, {names!r}, 'cuda')"
        claims.instance(came, int, what)
        _keys(holder, left, (f"after {what}", f"{what} 之后"))
        claims.that(
            given == names,
            (f"the list of names is still {names!r} after {what}", f"{what} 之后，names 列表仍是 {names!r}"),
            f"{given!r}",
        )
        same = all(holder[name] is kept[name] for name in left)
        claims.that(
            same,
            ("the other entries are the same objects", "其余各项还是原来的对象"),
            ("other objects", "换了对象"),
        )
    holder = {"text": "no tensor", "list": [_mib(1)], "model": nn.Linear(3, 2).to("cuda"), 7: _mib(1)}
    holder |= {"": _mib(1), 0: None, "host": draw.randn(3), "one": _mib(1, "cuda:1")}
    submission.release(holder, list(holder), 0)
    _keys(holder, [], ("after all was dropped", "全部丢弃之后"))


def test_unknown_name(submission, gpu):
    """An unknown name raises before anything is dropped."""
    for names in (["a", "nobody"], ["nobody", "a"], ["a", "b", "nobody", "a"]):
        holder = {"a": _mib(2), "b": _mib(2)}
        what = f"release(holder, {names!r}, 'cuda')"
        claims.raises(KeyError, lambda h=holder, n=names: submission.release(h, list(n), "cuda"), what)
        _keys(holder, ["a", "b"], ("after the KeyError", "抛出 KeyError 之后"))
        claims.that(
            all(isinstance(value, torch.Tensor) for value in holder.values()),
            (
                "the values of holder after the KeyError are the tensors",
                "抛出 KeyError 之后 holder 的值仍是那些张量",
            ),
            claims.summary(list(holder.values())),
        )


def test_number(submission, draw, gpu):
    """The number is the fall in reserved memory."""
    for _ in range(3):
        _fresh()
        sizes = [draw.integer(11, 20) for _ in range(3)]
        holder = {f"t{i}": _mib(size) for i, size in enumerate(sizes)}
        came = _release(submission, holder, ["t0", "t2"])
        at_least = (sizes[0] + sizes[2]) * MIB
        claims.that(
            came >= at_least,
            (
                f"at least the {at_least} bytes of the two tensors go back",
                f"至少归还这两个张量的 {at_least} 字节",
            ),
            f"{came}",
            (
                "drop first, then empty the cache; and keep no reference of your own",
                "先丢弃再清空缓存，自己也不要留引用",
            ),
        )
        came = _release(submission, holder, ["t1"])
        claims.that(
            came >= sizes[1] * MIB,
            (f"a single tensor of {sizes[1]} MiB goes back", f"单个 {sizes[1]} MiB 的张量会归还"),
            f"{came}",
            ("does a variable of yours still hold it?", "你的某个变量是不是还引用着它？"),
        )
    holder = {"t": _mib(12)}
    look = (
        "another process takes memory of the device meanwhile; mem_get_info counts all processes",
        "此间另一个进程占用了该设备的显存，而 mem_get_info 统计的是所有进程",
    )
    with _another_process():
        _release(submission, holder, ["t"], look=look)


@contextlib.contextmanager
def _another_process():
    """As if another process took 3 MiB more of every device each time that the driver is asked."""
    runtime, accelerator = torch.cuda.cudart, torch._C._accelerator_getMemoryInfo
    taken = []

    def less(free, total):
        taken.append(3 * MIB)
        return free - sum(taken), total

    class _Runtime:
        def __getattr__(self, name):
            return getattr(runtime(), name)

        def cudaMemGetInfo(self, device):  # noqa: N802  (the name in the CUDA runtime)
            return less(*runtime().cudaMemGetInfo(device))

    torch.cuda.cudart = _Runtime
    torch._C._accelerator_getMemoryInfo = lambda device: less(*accelerator(device))
    try:
        yield
    finally:
        torch.cuda.cudart, torch._C._accelerator_getMemoryInfo = runtime, accelerator


def test_all_goes_back(submission, draw, gpu):
    """All that nobody uses goes back."""
    _fresh()
    cached = [_mib(draw.integer(11, 15)) for _ in range(2)]
    small = torch.ones(100, device="cuda")
    del cached, small
    came = _release(submission, {}, [])
    claims.that(came > 22 * MIB, ("what was cached before goes back too", "之前缓存着的也归还"), f"{came}")
    model = nn.Linear(4000, 1000, device="cuda")
    (model.weight.sum() + model.bias.sum()).backward()  # no product: cuBLAS keeps memory of its own
    holder = {"model": model, "many": [_mib(11), {"deep": _mib(12)}]}
    del model
    _release(submission, holder, ["many", "model"])
    left = torch.cuda.memory_reserved()
    claims.that(
        left == 0,
        ("memory_reserved() == 0 when nothing is alive", "没有任何存活对象时 memory_reserved() == 0"),
        f"{left}",
    )


def test_still_referenced(submission, draw, gpu):
    """Memory kept alive by others does not count."""
    look = (
        "report what the driver got, not the size of what was dropped",
        "报告驱动收回了多少，而不是丢弃了多大",
    )
    _fresh()
    holder = {
        "base": _mib(12),
        "other": _mib(13),
        "parameter": nn.Parameter(torch.ones(3 * MIB, device="cuda")),
    }
    (holder["parameter"] * 2).sum().backward()
    view, gradient = holder["base"][100:200], holder["parameter"].grad
    _fresh()  # backward has left small temporaries in the cache
    for names, least, most, why in (
        (["base"], 0, 0, ("a view of it is alive", "它的视图还活着")),
        (["parameter"], 12 * MIB, 20 * MIB, ("its gradient is alive", "它的梯度还活着")),
        (["other"], 13 * MIB, 14 * MIB, ("nobody else holds it", "没有别人引用它")),
    ):
        came = _release(submission, holder, names)
        bytes_ = (f"{least} to {most}", f"{least} 到 {most}") if most else ("0", "0")
        claims.that(
            least <= came <= most,
            (
                f"release of {names[0]!r} returns {bytes_[0]} bytes: {why[0]}",
                f"释放 {names[0]!r} 返回 {bytes_[1]} 字节：{why[1]}",
            ),
            f"{came}",
            look,
        )
    claims.that(
        bool((view == 1).all()) and bool((gradient == 2).all()),
        ("the view and the gradient keep their values", "视图和梯度的值不变"),
        ("they changed", "变了"),
    )
    _held_elsewhere(submission)


def _held_elsewhere(submission):
    """What is dropped may be in use elsewhere: it leaves the dict, and stays what it is."""
    model, items, table = nn.Linear(2000, 1000, device="cuda"), [_mib(11)], {"deep": _mib(11)}
    leaf = torch.ones(3 * MIB, device="cuda", requires_grad=True)
    (leaf * 2).sum().backward()
    _fresh()
    for name, value in (("model", model), ("list", items), ("dict", table), ("tensor", leaf)):
        came = _release(submission, {name: value}, [name])
        case = (
            f"dropping a {name} that another variable still holds",
            f"丢弃一个别的变量还引用着的 {name}",
        )
        _regained(came, 0, case)
    intact = (
        model.weight.is_cuda
        and len(items) == 1
        and list(table) == ["deep"]
        and leaf.numel() == 3 * MIB
        and leaf.grad is not None
    )
    claims.that(
        intact,
        ("what another variable still holds is as it was", "别的变量仍引用着的东西保持原样"),
        ("it was changed", "被改动了"),
        ("removing an entry is enough; leave its value alone", "删掉这一项就够了，不要动它的值"),
    )


def test_shared_segment(submission, draw, gpu):
    """A segment with one live block is not returned."""
    _fresh()
    holder = {f"small{i}": torch.ones(draw.integer(100, 900), device="cuda") for i in range(6)}
    keeper = torch.ones(10, device="cuda")
    came = _release(submission, holder, list(holder))
    _regained(came, 0, ("while a small tensor shares the segment", "同一段里还有小张量存活时"))
    del keeper
    came = _release(submission, {}, [])
    _regained(came, 2 * MIB, ("when the small tensor has gone, too", "这个小张量也丢弃之后"))


def test_cycles(submission, gpu):
    """Reference cycles are broken up."""
    _fresh()
    gc.disable()
    try:
        module = nn.Module()
        module.weight = _mib(14)
        module.__dict__["myself"] = module
        holder = {"cycle": module}
        del module
        gc.collect()  # it has survived a collection: it is no young object any more
        came = _release(submission, holder, ["cycle"])
    finally:
        gc.enable()
    claims.that(
        came >= 14 * MIB,
        ("what only a reference cycle holds goes back", "只被引用环抓着的显存也会归还"),
        f"{came}",
        ("who takes reference cycles apart?", "谁来拆开引用环？"),
    )


def test_other_stream(submission, gpu):
    """Memory that another stream still works on goes back too."""
    _fresh()
    side = torch.cuda.Stream()
    holder = {"busy": _mib(15)}
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        gpu.busy(20.0, "side work")
        gpu.read(holder["busy"], "reader")
    holder["busy"].record_stream(side)
    came = _release(submission, holder, ["busy"])
    claims.that(
        came >= 15 * MIB,
        ("memory with a pending record_stream goes back", "record_stream 尚未完成的显存也会归还"),
        f"{came}",
    )


def test_device(submission, draw, gpu):
    """The device that was named counts."""
    for device in (1, "cuda:1", torch.device("cuda", 1)):
        _fresh()
        holder = {"zero": _mib(12), "one": _mib(16, "cuda:1")}
        came = _release(submission, holder, ["one", "zero"], device)
        _regained(came, 16 * MIB, (f"for {device!r}", f"指定 {device!r} 时"))
        claims.same(torch.cuda.current_device(), 0, ("the current device afterwards", "之后的当前设备"))
    _fresh()
    holder = {"one": _mib(16, "cuda:1")}
    case = ("for 'cuda:0', with a tensor of cuda:1", "指定 'cuda:0' 而张量在 cuda:1 上时")
    _regained(_release(submission, holder, ["one"], "cuda:0"), 0, case)
    for device, mib in (("cuda", 14), (torch.device("cuda"), 14), (0, 12), ("cuda:0", 12)):
        _fresh()
        holder = {"zero": _mib(12), "one": _mib(14, "cuda:1")}
        with torch.cuda.device(1):
            came = _release(submission, holder, ["one", "zero"], device)
            current = torch.cuda.current_device()
        case = (
            f"for {device!r} while cuda:1 is the current device",
            f"当前设备是 cuda:1、指定 {device!r} 时",
        )
        _regained(came, mib * MIB, case)
        claims.same(current, 1, ("the current device afterwards", "之后的当前设备"))


def test_live_tensors(submission, draw, gpu):
    """Live tensors are untouched."""
    _fresh()
    numbers = draw.randn(50, 7)
    mine = numbers.to("cuda")
    holder = {"kept": mine, "alias": mine, "gone": _mib(11)}
    address = mine.data_ptr()
    _release(submission, holder, ["gone", "alias"])
    claims.that(
        holder["kept"] is mine,
        ("holder['kept'] is the same tensor", "holder['kept'] 还是原来的张量"),
        ("another", "换了"),
    )
    claims.that(
        mine.data_ptr() == address,
        ("a live tensor stays where it is", "存活的张量不换地方"),
        ("its address has changed", "它的地址变了"),
    )
    claims.that(
        torch.equal(mine.cpu(), numbers),
        ("a live tensor keeps its contents", "存活的张量内容不变"),
        claims.summary(mine),
    )
