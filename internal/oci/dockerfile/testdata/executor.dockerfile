FROM python
RUN apt-get update && apt-get install -y \
    libgomp1
RUN pip install fastapi
ADD https://example.com/x /x
ADD https://github.com/a/b.git#main /b
RUN <<SCRIPT
pip install a
pip install b
SCRIPT
USER app
RUN pip install c
