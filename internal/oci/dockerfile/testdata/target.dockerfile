#!target=biulder
FROM python AS builder
FROM python AS final
