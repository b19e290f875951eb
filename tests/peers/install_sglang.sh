#!/bin/sh
# install_sglang.sh PEERS: SGLang for the CPU in PEERS/sglang, which uses the packages of vLLM's environment PEERS.
#
# Its own requirements are the CUDA builds of packages that vLLM has for the CPU, so that they are not installed.
# `sgl_kernel` exists only for GPUs; SGLang computes in torch here, and the stand-in is imported but never called.
# torchvision is imported, too, and registers kernels of its CUDA build unless that module is empty.
set -e
peers=${1:?the environment of vLLM}
[ ! -e "$peers/sglang/complete" ] || exit 0
"$peers/bin/python" -m venv --clear "$peers/sglang"
site=$("$peers/sglang/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$peers/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/vllm.pth"
install="$peers/sglang/bin/python -m pip install --quiet --disable-pip-version-check"
$install --no-deps sglang==0.5.23 orjson datasets xxhash pyarrow py-spy torchvision==0.28.0
$install IPython scipy soundfile
: > "$site/torchvision/_meta_registrations.py"
mkdir -p "$site/sgl_kernel"
cat > "$site/sgl_kernel/__init__.py" <<'PYTHON'
__version__ = "0.0.0"


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def call(*_args, **_fields):
        raise NotImplementedError(f"sgl_kernel.{name} is a stand-in")

    return call
PYTHON
touch "$peers/sglang/complete"
