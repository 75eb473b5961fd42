FROM python
COPY --chmod=9999 a b
