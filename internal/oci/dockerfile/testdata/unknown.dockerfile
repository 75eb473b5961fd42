FROM python
COPPY . .
