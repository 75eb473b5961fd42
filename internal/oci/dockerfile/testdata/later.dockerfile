#!target=a
FROM python AS a
COPY --from=b /x /x
FROM python AS b
