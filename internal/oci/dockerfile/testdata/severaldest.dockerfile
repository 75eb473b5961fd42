FROM python
COPY a b /app
