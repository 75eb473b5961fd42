# escape=`
FROM python
MAINTAINER Ada <ada@example.com>
ARG PORT=80
ENV A=1 B="two words" `
    C=$A
LABEL one=1 two="$B"
EXPOSE $PORT 8000-8002/udp
VOLUME /data ["/x"]
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --timeout=3s --retries=2 CMD curl -f http://localhost/ || exit 1
ONBUILD RUN echo x
WORKDIR /app
WORKDIR sub
COPY <<EOT config.ini
port=$PORT
EOT
COPY <<'EOT' /raw
port=$PORT
EOT
ADD --exclude=*.txt data.tar.gz /data/
COPY --parents a/b/c.txt ./
USER app
CMD run $A
