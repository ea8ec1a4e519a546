# Evaluation, training and the demo in one image.
#
#   docker build -t isegm .
#   docker run --rm isegm                                        # the default model on the sample photos, on the CPU
#   docker run --rm --gpus all --shm-size 8g -v "$PWD/datasets:/isegm/datasets" -v "$PWD/experiments:/isegm/experiments" \
#       isegm python train.py models/light/mobilenetv2_folder.py --data datasets/my_images --gpus 0
#
# Mounted folders must be writable by the user in the image: build with --build-arg UID="$(id -u)". For a much smaller
# image, without CUDA:
#
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu -t isegm .
FROM python:3.12-slim

ARG UID=1000
ARG TORCH_INDEX=https://pypi.org/simple

# tk is the toolkit of the interactive demo, demo.py; the base image holds only Python's side of it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tk \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /isegm
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY isegm ./isegm
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" --constraint constraints.txt --editable .

COPY config.yml train.py demo.py ./
COPY scripts ./scripts
COPY models ./models
COPY weights ./weights
COPY notebooks ./notebooks

RUN useradd --create-home --uid "$UID" user \
    && mkdir datasets experiments \
    && chown user: /isegm datasets experiments
USER user

CMD ["python", "scripts/evaluate_model.py", "--datasets", "Samples", "--cpu"]
