# One image for every process of the stack; the command says which (docker-compose.yml).
#
# CPU or GPU: torch from PyPI carries CUDA and some gigabytes. For a CPU-only image, build with
#   --build-arg TORCH_INDEX_URL=<PyTorch's index of CPU wheels, see its installation page>

FROM python:3.11.14-slim-bookworm AS build
ARG TORCH_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/layertune
ENV PATH=/opt/layertune/bin:$PATH
WORKDIR /src
# The versions first, so that a change of code alone does not install torch again.
COPY pyproject.toml README.md ./
RUN mkdir app worker models migrations \
 && if [ -n "$TORCH_INDEX_URL" ]; then \
      pip install --index-url "$TORCH_INDEX_URL" torch==2.14.1 torchvision==0.29.1; \
    fi \
 && pip install .
COPY app app
COPY worker worker
COPY models models
COPY migrations migrations
RUN pip install --no-deps --force-reinstall .

FROM python:3.11.14-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin layertune \
 && install -d -o layertune -g layertune /var/lib/layertune
COPY --from=build /opt/layertune /opt/layertune
ENV PATH=/opt/layertune/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    LAYERTUNE_HOST=0.0.0.0 \
    LAYERTUNE_VAR=/var/lib/layertune
WORKDIR /var/lib/layertune
USER layertune
VOLUME /var/lib/layertune
EXPOSE 8000
CMD ["layertune", "api"]
