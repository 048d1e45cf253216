"""Hidden checks of exercise 4."""

import os
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from ptquiz.worker import claims

ONE_ELEMENT = (
    "load_state_dict accepts a (1,) for an entry without dimensions: compare the shapes yourself",
    "模型的条目是零维时，load_state_dict 会接受 (1,)：要自己比较形状",
)


class _Net(nn.Module):
    """All kinds of entries: tied and frozen parameters, statistics, counters, empty and scalar tensors."""

    def __init__(self, draw):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.inner = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False), nn.Dropout(0.5))
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.inner[0].weight
        self.scale = nn.Parameter(torch.tensor(0.0))
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("mask", torch.zeros(5, dtype=torch.bool))
        self.register_buffer("nothing", torch.zeros(0, 3))
        self.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.moves = 0
        self.double()
        for tensor in [*self.parameters(), *self.buffers()]:
            with torch.no_grad():
                if tensor.dtype.is_floating_point:
                    tensor.copy_(draw.randn(*tensor.shape))
                else:
                    tensor.copy_(draw.integers(0, 2 if tensor.dtype is torch.bool else 2**60, tensor.shape))
        self.first.weight.requires_grad_(False)
        self.inner.eval()

    def _apply(self, *args, **kwargs):
        """All moves and casts (`to`, `cpu`, `half`, …) come by here."""
        self.moves += 1
        return super()._apply(*args, **kwargs)


def _facts(model):
    """What saving must not change, and loading only in part: identities, modes, frozen flags."""
    return {
        "parameters": {n: id(p) for n, p in model.named_parameters()},
        "modes": {n or "model": m.training for n, m in model.named_modules()},
        "trainable": {n: p.requires_grad for n, p in model.named_parameters()},
    }


def _claim_facts(model, before, keys, when):
    """Claim that `keys` of `_facts(model)` are what they were."""
    now = _facts(model)
    words = {
        "modes": ("training of {}", "{} 的 training"),
        "trainable": ("requires_grad of {}", "{} 的 requires_grad"),
    }
    for key in keys:
        for name, value in before[key].items():
            en, zh = (text.format(name) for text in words[key])
            claims.same(now[key][name], value, (f"{when[0]}, {en}", f"{when[1]}，{zh}"))


def _values(model):
    return {n: t.detach().clone() for n, t in model.state_dict().items()}


def _open(path):
    claims.that(
        path.is_file(),
        ("save_weights writes the file", "save_weights 写出文件"),
        ("there is no file at path", "path 处没有文件"),
    )
    try:
        return torch.load(path, weights_only=True)
    except Exception as error:
        claims.fail(
            (
                "the file opens with torch.load(path, weights_only=True)",
                "文件能用 torch.load(path, weights_only=True) 打开",
            ),
            f"{type(error).__name__}: {str(error)[:40]} …",
            ("save tensors and plain containers, not objects", "保存张量和普通容器，不要保存对象"),
        )


def _unchanged(model, before, what):
    now = model.state_dict()
    for name, value in before.items():
        claims.same(
            now[name].detach(), value, (f"{what[0]}, {name} of the model", f"{what[1]}，模型的 {name}")
        )


def test_file(submission, draw, tmp_path):
    """The file is the state dict and opens with weights_only."""
    for path in [tmp_path / "a.pt", str(tmp_path / "b.pt"), tmp_path / "a.pt"]:
        model, earlier = _Net(draw), Path(path).exists()
        submission.save_weights(model, path)
        content = _open(Path(path))
        claims.instance(content, dict, ("the content of the file", "文件内容"))
        missing, extra = (
            sorted(model.state_dict().keys() - content),
            sorted(content.keys() - model.state_dict()),
        )
        claims.that(
            not missing and not extra,
            ("the names of model.state_dict()", "与 model.state_dict() 相同的名字"),
            (f"missing: {missing}; too many: {extra}", f"缺少：{missing}；多出：{extra}"),
            ("model.state_dict(), all of it and nothing else", "完整的 model.state_dict()，不多不少"),
        )
        what = ("the content of the file", "文件内容")
        look = ("model.state_dict(), all of it and nothing else", "完整的 model.state_dict()，不多不少")
        if earlier:
            what = ("where another file was before, the content of the file", "原先已有同名文件时，文件内容")
            look = ("a file that is already there is replaced", "已有的文件要被替换")
        claims.same(dict(content), _values(model), what, look)


def test_saving_changes_nothing(submission, draw, tmp_path):
    """Saving leaves the model alone."""
    for training in [True, False]:
        model = _Net(draw)
        model.norm.train(training)
        values, facts, model.moves = _values(model), _facts(model), 0
        submission.save_weights(model, tmp_path / "a.pt")
        _unchanged(model, values, ("after saving", "保存之后"))
        _claim_facts(model, facts, ["modes", "trainable"], ("after saving", "保存之后"))
        claims.that(
            _facts(model)["parameters"] == facts["parameters"],
            (
                "after saving, the model's parameters are the same objects",
                "保存之后，模型的参数仍是原来那些对象",
            ),
            ("other objects", "换成了别的对象"),
        )
        claims.that(
            model.moves != 1,
            ("saving leaves the model on its device", "保存不改变模型所在设备"),
            (
                "the model itself was moved or cast, and not moved back",
                "模型本身被移动或转换了，而且没有还原",
            ),
            (
                "the tensors of the state dict may be copied; the model stays",
                "可以复制 state dict 里的张量，模型不要动",
            ),
        )


def test_round_trip(submission, draw, tmp_path):
    """Parameters and buffers come back."""
    for round_ in range(2):
        source, target = _Net(draw), _Net(draw)
        path = tmp_path / f"{round_}.pt"
        if round_ == 0:
            submission.save_weights(source, path)
        else:
            swap = {"inner.0.weight": "inner.1.weight", "inner.1.weight": "inner.0.weight"}
            entries = source.state_dict()
            torch.save(OrderedDict((n, entries[n]) for n in (swap.get(n, n) for n in entries)), path)
        submission.load_weights(target, str(path) if round_ else path, "cpu")
        for name, value in source.state_dict().items():
            claims.same(
                target.state_dict()[name].detach(),
                value.detach(),
                (f"after loading, {name} of the model", f"加载之后，模型的 {name}"),
                (
                    "parameters and buffers, by name, into the model that was given",
                    "参数和 buffer，按名字，放进传入的模型",
                ),
            )


def test_loading_keeps(submission, draw, tmp_path):
    """Same parameter objects, modes and frozen flags after loading."""
    torch.save(_values(_Net(draw)), tmp_path / "a.pt")
    for training in [True, False]:
        model = _Net(draw)
        model.norm.train(training)
        facts = _facts(model)
        submission.load_weights(model, tmp_path / "a.pt", torch.device("cpu"))
        now = _facts(model)
        claims.that(
            now["parameters"] == facts["parameters"] and model.tied.weight is model.inner[0].weight,
            ("the model's parameters are the same objects after loading", "加载后模型的参数仍是原来那些对象"),
            ("other objects", "换成了别的对象"),
            ("an optimizer made before holds the old ones", "之前建好的优化器拿着的是旧对象"),
        )
        _claim_facts(model, facts, ["modes", "trainable"], ("after loading", "加载之后"))


def test_file_from_gpu(submission, draw, tmp_path):
    """A file from a GPU loads on the CPU."""
    source, target, path = _Net(draw), _Net(draw), tmp_path / "gpu.pt"
    tag, available = torch.serialization.location_tag, torch.cuda.is_available
    device = f"cuda:{draw.integer(1, 7)}"  # a file may come from any device
    try:
        torch.serialization.location_tag = lambda storage: device
        torch.save(source.state_dict(), path)
        torch.serialization.location_tag = tag
        torch.cuda.is_available = lambda: False
        submission.load_weights(target, path, "cpu")
    except RuntimeError as error:
        claims.fail(
            (
                f"a file whose tensors were on {device} loads without a GPU",
                f"张量来自 {device} 的文件，没有 GPU 也能加载",
            ),
            f"RuntimeError: {str(error)[:90]} …",
            "map_location",
        )
    finally:
        torch.serialization.location_tag, torch.cuda.is_available = tag, available
    _unchanged(target, _values(source), ("after loading", "加载之后"))


def _misfits(entries, draw):
    """Files that do not fit, most of them by a late entry: the first could be taken already."""
    bias = entries["norm.bias"]
    yield ("a name is missing", "缺一个名字"), {n: t for n, t in entries.items() if n != "inner.1.weight"}
    yield (
        ("a buffer is missing", "缺一个 buffer"),
        {n: t for n, t in entries.items() if n != "norm.running_var"},
    )
    yield ("there is a name too many", "多一个名字"), {**entries, "head.weight": draw.randn(2, 2)}
    yield (
        ("a name is another one", "有一个名字不同"),
        {n.replace("inner.1", "inner.7"): t for n, t in entries.items()},
    )
    yield ("a shape is larger", "有一个形状偏大"), {**entries, "tied.weight": draw.randn(5, 4)}
    yield ("a shape could be broadcast", "有一个形状可以被广播"), {**entries, "norm.bias": bias[:1].clone()}
    yield (
        ("a shape has as many elements", "有一个形状不同但元素个数相同"),
        {**entries, "norm.bias": bias.reshape(2, 2)},
    )
    yield (
        ("a shape is (1,) where the model has ()", "有一个形状是 (1,)、模型里却是 () "),
        {**entries, "scale": draw.randn(1)},
    )
    yield ("it is empty", "内容为空"), {}


def test_misfit(submission, draw, tmp_path):
    """A file that does not fit raises and changes nothing."""
    for i, (case, entries) in enumerate(_misfits(_values(_Net(draw)), draw)):
        model, path = _Net(draw), tmp_path / f"{i}.pt"
        before = _values(model)
        torch.save(entries, path)
        claims.raises(
            Exception,
            lambda model=model, path=path: submission.load_weights(model, path, "cpu"),
            (f"load_weights of a file where {case[0]}", f"加载{case[1]}的文件时，load_weights"),
            ONE_ELEMENT if "()" in case[0] else "",
        )
        _unchanged(
            model,
            before,
            (f"after a file where {case[0]} was refused", f"拒绝了{case[1]}的文件之后"),
        )


class _Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_no_code(submission, draw, tmp_path):
    """Code in the file is not run."""
    for i in range(2):
        model, folder = _Net(draw), tmp_path / f"ran{i}"
        code = _Code(str(folder))
        torch.save({**_values(model), "extra": code} if i else code, tmp_path / "code.pt")
        try:
            submission.load_weights(model, tmp_path / "code.pt", "cpu")
            raised = False
        except Exception:
            raised = True
        claims.that(
            raised and not folder.exists(),
            (
                "a file with a hidden function call raises and is not run",
                "文件里藏有函数调用时抛异常，且不执行它",
            ),
            ("the call was run", "那个调用被执行了") if folder.exists() else ("no exception", "没有异常"),
            "weights_only",
        )


def test_device(submission, draw, tmp_path):
    """The model goes to the device that is asked for."""
    torch.save(_values(_Net(draw)), tmp_path / "a.pt")
    absent = f"cuda:{torch.cuda.device_count() + 3}"
    for device in [absent, torch.device(absent)]:
        claims.raises(
            Exception,
            lambda device=device: submission.load_weights(_Net(draw), tmp_path / "a.pt", device),
            (
                f'load_weights(model, path, "{absent}"), a device that is not there,',
                f'设备不存在时，load_weights(model, path, "{absent}")',
            ),
            ("model.to(device), with the device that was given", "用传进来的 device 调用 model.to(device)"),
        )
