# What an image has: one line of JSON, last.
conda=
for name in micromamba mamba conda; do
  if command -v "$name" >/dev/null 2>&1; then conda=$(command -v "$name"); break; fi
done
if [ -z "$conda" ]; then
  for path in /opt/miniconda/bin/conda /opt/conda/bin/conda /root/miniconda3/bin/conda; do
    if [ -x "$path" ]; then conda=$path; break; fi
  done
fi
python=null
for name in python3 python; do
  if command -v "$name" >/dev/null 2>&1; then
    said=$("$name" -I -c '
import glob, json, os, platform, re, subprocess, sys, sysconfig
libc = " ".join(platform.libc_ver()).strip()
musl = glob.glob("/lib/ld-musl-*.so.1")
if musl and not libc.startswith("glibc"):
    text = subprocess.run(musl[:1], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode("utf-8", "replace")
    found = re.search(r"Version (\d+\.\d+)", text)
    libc = "musl " + (found.group(1) if found else "1.2")
assert sys.version_info[0] == 3
base = getattr(sys, "_base_executable", sys.executable) or sys.executable
print(json.dumps({"path": os.path.realpath(base), "version": "%d.%d.%d" % sys.version_info[:3],
  "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")), "libc": libc, "machine": platform.machine(),
  "base": os.path.dirname(os.path.realpath(base))}))
' 2>/dev/null) && [ -n "$said" ] && python=$said && break
  fi
done
printf '{"conda":"%s","python":%s}\n' "$conda" "$python"
