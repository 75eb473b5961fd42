#!target=final arg:VERSION=2 arg:NOBODY=x
# syntax=docker/dockerfile:1
ARG BASE=python
ARG VERSION=1
FROM ${BASE}:3.11-slim AS builder
ARG VERSION
ENV V=$VERSION
COPY --from=python /usr/lib/x /x
WORKDIR /b
COPY a b ./
FROM unreachable AS unneeded
RUN apt-get update
FROM --platform=$TARGETPLATFORM scratch AS final
ARG TARGETARCH
LABEL arch=$TARGETARCH v="$VERSION"
COPY --from=builder --chown=1000:1000 --chmod=755 /b /app/
COPY --from=0 /x /y
USER 1000
ENTRYPOINT ["/app/a"]
