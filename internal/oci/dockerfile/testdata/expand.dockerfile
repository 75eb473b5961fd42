FROM python
ENV A=${B:?must be set}
