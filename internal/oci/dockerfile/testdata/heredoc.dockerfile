FROM python
COPY <<EOF /x
never ends
