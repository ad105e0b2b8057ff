# The service and the command line with the embedded model: CPU only, not root.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE constraints.txt ./
COPY recipes recipes
COPY src src
RUN python -m venv /opt/mien \
    && /opt/mien/bin/pip install --no-cache-dir -c constraints.txt ".[web]" \
    && /opt/mien/bin/pip uninstall --yes pip

FROM python:3.13-slim
RUN useradd --system --create-home --uid 10001 mien
COPY --from=build /opt/mien /opt/mien
ENV PATH=/opt/mien/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /home/mien
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["python", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["mien"]
# Open to other machines, so MIEN_TOKEN must be set
CMD ["serve", "--host", "0.0.0.0"]
