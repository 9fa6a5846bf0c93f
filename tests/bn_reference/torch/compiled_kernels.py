"""Compile each Triton program for an H100 or H200, which needs no GPU: ``python -m`` this module.

Triton is imported in the functions: whatever imports this module alone does not need it.
"""

import torch

DTYPES = {torch.bfloat16: "bf16", torch.float32: "fp32", torch.float64: "fp64"}
SHAPES = {"alone": [(256, 1024)], "shared": [(64, 64, 56, 56), (8192, 512)]}


def compiled(name: str, x: torch.Tensor, operands: int) -> str:
    """The machine-near text (PTX) of one program, as it would be launched for `x`."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from bn_reference.torch import triton_kernels, triton_programs

    program = getattr(triton_programs, name)
    plan = triton_kernels._plan(x, operands)
    constants = plan.tile | {"EPS": 1e-5}
    warps = constants.pop("num_warps")
    numbers = dict(zip(("rows", "channels", "strip", "splits", "groups", "lag"), plan.turns, strict=True))
    signature, constexprs, attributes = {}, {}, {}
    for place, argument in enumerate(program.arg_names):
        value = numbers.get(argument, constants.get(argument))
        if argument in constants or value == 1:  # Triton compiles for a 1, as it does for a constant
            signature[argument], constexprs[(place,)] = "constexpr", value
            continue
        signature[argument] = "i32" if argument in numbers else _pointer(argument, x.dtype)
        if argument not in numbers or value % 16 == 0:
            attributes[(place,)] = [["tt.divisibility", 16]]
    source = ASTSource(program, signature, constexprs, attributes)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps}).asm["ptx"]


def _pointer(argument: str, dtype: torch.dtype) -> str:
    if argument == "counter_ptr":
        return "*i32"
    wide = torch.promote_types(dtype, torch.float32)
    return "*" + DTYPES[dtype if argument in ("x_ptr", "y_ptr", "dx_ptr", "dout_ptr") else wide]


def main() -> None:
    """Compile every program for every dtype, and fail where values are not moved 16 bytes at a time."""
    for dtype in DTYPES:
        widest = "v2.b64" if dtype == torch.float64 else "v4.b32"
        for way, shapes in SHAPES.items():
            for shape in shapes:
                x = torch.empty(shape, dtype=dtype, device="meta")
                names = {f"forward_{way}": 1, f"backward_{way}": 2} | (
                    {"inference": 1} if way == "shared" else {}
                )
                for name, operands in names.items():
                    text = compiled(name, x, operands)
                    for access in ("ld.global", "st.global"):
                        wide = [line for line in text.splitlines() if access in line and widest in line]
                        assert wide, f"{name} of {dtype} {shape} has no {access} of 16 bytes"
                    print("compiled", name, dtype, shape)
    compiled("forward_shared", torch.empty((1, 1, 40000), device="meta"), 1)
    compiled("backward_shared", torch.empty((40000, 1), device="meta"), 2)
    compiled("forward_alone", torch.empty((1, 1), device="meta"), 1)
    compiled("forward_shared", torch.empty((33, 1024, 256, 256), dtype=torch.bfloat16, device="meta"), 1)


if __name__ == "__main__":
    main()
