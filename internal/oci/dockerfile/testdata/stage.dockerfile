FROM python AS builder
FROM bulder
