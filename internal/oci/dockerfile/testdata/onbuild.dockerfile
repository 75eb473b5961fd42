FROM onbuild AS a
ONBUILD COPY x /x
FROM a
COPY y /y
