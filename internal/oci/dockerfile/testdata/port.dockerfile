FROM python
EXPOSE http
