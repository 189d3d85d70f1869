"""Classes of objects that lie beside the tensors of a torch file and do no harm: none of them is called on reading."""

NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
HARMLESS = (
    *("argparse.Namespace", "types.SimpleNamespace", "torch.torch_version.TorchVersion"),
    *(f"builtins.{name}" for name in ("list", "tuple", "frozenset", "int", "float", "bool", "str", "bytes")),
    *(
        f"{module}.{path}"
        for module in ("pathlib", "pathlib._local")
        for path in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path", "PurePath")
    ),
    *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *("decimal.Decimal", "fractions.Fraction", "uuid.UUID", "typing.Any"),
    *(f"{module}.{name}" for module in NUMPY for name in ("scalar", "_reconstruct", "dtype", "ndarray")),
    *(
        f"numpy.{name}{bits}"
        for name, sizes in {"float": (16, 32, 64), "int": (8, 16, 32, 64), "uint": (8, 16, 32, 64)}.items()
        for bits in sizes
    ),
    *("numpy.bool", "numpy.bool_", "numpy.str_"),
    *(
        f"numpy.dtypes.{name}DType"
        for name in (
            *("Float16", "Float32", "Float64", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32"),
            *("UInt64", "Bool", "Str", "Bytes", "Object", "Complex64", "Complex128", "LongDouble"),
        )
    ),
    *(
        f"omegaconf.{name}"
        for name in (
            *("dictconfig.DictConfig", "listconfig.ListConfig", "base.ContainerMetadata", "base.Metadata"),
            *("nodes.AnyNode", "nodes.StringNode", "nodes.IntegerNode", "nodes.FloatNode", "nodes.BooleanNode"),
        )
    ),
)
