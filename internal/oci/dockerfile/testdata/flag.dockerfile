FROM python
COPY --form=x a b
