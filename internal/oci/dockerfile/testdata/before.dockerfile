ENV A=1
FROM python
