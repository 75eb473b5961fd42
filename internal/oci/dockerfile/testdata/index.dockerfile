FROM python
COPY --from=7 /x /x
