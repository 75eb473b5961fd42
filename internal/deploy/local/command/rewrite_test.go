package command_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn/internal/deploy/local/command"
)

var here = command.Address{Host: "127.0.0.1", Port: "{PORT}"}

func sh(text string) []string { return []string{"/bin/sh", "-c", text} }

func args(s ...string) []string { return s }

func TestServersArePutOnThePortOfTheStage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entry, cmd []string
		want       []string
		server     string
		listens    int
	}{
		{cmd: args("uvicorn", "main:app", "--host", "0.0.0.0", "--port", "80"),
			want: args("uvicorn", "main:app", "--host", "127.0.0.1", "--port", "{PORT}"), server: "uvicorn", listens: 80},
		{cmd: args("uvicorn", "main:app"),
			want: args("uvicorn", "main:app", "--host", "127.0.0.1", "--port", "{PORT}"), server: "uvicorn", listens: 8000},
		{cmd: args("uvicorn", "app.main:app", "--host=0.0.0.0", "--port=8080", "--workers", "4", "--proxy-headers"),
			want:   args("uvicorn", "app.main:app", "--host=127.0.0.1", "--port={PORT}", "--workers", "4", "--proxy-headers"),
			server: "uvicorn", listens: 8080},
		{cmd: args("uvicorn", "main:app", "--reload", "--reload-dir", "src", "--port", "80", "--host", "0.0.0.0"),
			want: args("uvicorn", "main:app", "--port", "{PORT}", "--host", "127.0.0.1"), server: "uvicorn", listens: 80},
		{cmd: args("uvicorn", "main:app", "--uds", "/run/app.sock"),
			want: args("uvicorn", "main:app", "--host", "127.0.0.1", "--port", "{PORT}"), server: "uvicorn", listens: 8000},
		{cmd: args("/usr/local/bin/uvicorn", "main:app", "--port", "80"),
			want: args("/usr/local/bin/uvicorn", "main:app", "--port", "{PORT}", "--host", "127.0.0.1"), server: "uvicorn", listens: 80},
		{entry: args("uvicorn"), cmd: args("main:app", "--port", "80"),
			want: args("uvicorn", "main:app", "--port", "{PORT}", "--host", "127.0.0.1"), server: "uvicorn", listens: 80},
		{cmd: args("python", "-m", "uvicorn", "main:app", "--port", "80"),
			want: args("python", "-m", "uvicorn", "main:app", "--port", "{PORT}", "--host", "127.0.0.1"), server: "uvicorn", listens: 80},
		{cmd: args("python3.11", "-u", "-X", "dev", "-m", "uvicorn", "main:app"),
			want:   args("python3.11", "-u", "-X", "dev", "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "{PORT}"),
			server: "uvicorn", listens: 8000},
		{entry: args("/entrypoint.sh"), cmd: args("uvicorn", "main:app", "--port", "80"),
			want: args("/entrypoint.sh", "uvicorn", "main:app", "--port", "{PORT}", "--host", "127.0.0.1"), server: "uvicorn", listens: 80},
		{entry: args("tini", "-g", "--"), cmd: args("gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-b", "0.0.0.0:80", "app:app"),
			want:   args("tini", "-g", "--", "gunicorn", "-k", "uvicorn.workers.UvicornWorker", "-b", "127.0.0.1:{PORT}", "app:app"),
			server: "gunicorn", listens: 80},
		{cmd: args("gunicorn", "--bind=:5000", "--workers=2", "app:app"),
			want: args("gunicorn", "--bind=127.0.0.1:{PORT}", "--workers=2", "app:app"), server: "gunicorn", listens: 5000},
		{cmd: args("gunicorn", "-w4", "-b0.0.0.0:80", "-b", "[::]:80", "app:app"),
			want: args("gunicorn", "-w4", "-b127.0.0.1:{PORT}", "app:app"), server: "gunicorn", listens: 80},
		{cmd: args("gunicorn", "app:app", "--bind", "unix:/run/app.sock", "--daemon"),
			want: args("gunicorn", "app:app", "--bind", "127.0.0.1:{PORT}"), server: "gunicorn"},
		{cmd: args("gunicorn", "app:app", "-c", "gunicorn.conf.py"),
			want: args("gunicorn", "app:app", "-c", "gunicorn.conf.py", "--bind", "127.0.0.1:{PORT}"), server: "gunicorn", listens: 8000},
		{cmd: args("hypercorn", "main:app", "--bind", "0.0.0.0:8000", "--quic-bind", "0.0.0.0:4433"),
			want: args("hypercorn", "main:app", "--bind", "127.0.0.1:{PORT}"), server: "hypercorn", listens: 8000},
		{cmd: args("fastapi", "run", "main.py", "--port", "80"),
			want: args("fastapi", "run", "main.py", "--port", "{PORT}", "--host", "127.0.0.1"), server: "fastapi", listens: 80},
		{cmd: args("fastapi", "run", "app/main.py", "--proxy-headers", "--workers", "4"),
			want: args("fastapi", "run", "app/main.py", "--proxy-headers", "--workers", "4", "--host", "127.0.0.1", "--port", "{PORT}"), server: "fastapi", listens: 8000},
		{cmd: args("fastapi", "dev", "main.py", "--reload"),
			want: args("fastapi", "dev", "main.py", "--host", "127.0.0.1", "--port", "{PORT}", "--no-reload"), server: "fastapi", listens: 8000},
		{cmd: args("flask", "--app", "main", "run", "-h", "0.0.0.0", "-p", "80"),
			want: args("flask", "--app", "main", "run", "-h", "127.0.0.1", "-p", "{PORT}"), server: "flask", listens: 80},
		{cmd: args("python3", "-m", "flask", "run", "--host=0.0.0.0"),
			want: args("python3", "-m", "flask", "run", "--host=127.0.0.1", "--port", "{PORT}"), server: "flask", listens: 5000},
		{cmd: args("waitress-serve", "--listen=*:8080", "app:app"),
			want: args("waitress-serve", "--host", "127.0.0.1", "--port", "{PORT}", "app:app"), server: "waitress-serve", listens: 8080},
		{cmd: args("mlflow", "models", "serve", "-m", "/model", "-h", "0.0.0.0", "-p", "5001", "--env-manager", "local"),
			want: args("mlflow", "models", "serve", "-m", "/model", "-h", "127.0.0.1", "-p", "{PORT}", "--env-manager", "local"), server: "mlflow", listens: 5001},
		{cmd: args("streamlit", "run", "app.py", "--server.port=8501", "--", "--mine"),
			want: args("streamlit", "run", "app.py", "--server.port={PORT}", "--server.address", "127.0.0.1", "--", "--mine"), server: "streamlit", listens: 8501},
		{cmd: args("poetry", "run", "uvicorn", "main:app"),
			want: args("poetry", "run", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "{PORT}"), server: "uvicorn", listens: 8000},
		{cmd: args("env", "A=b", "uvicorn", "main:app"),
			want: args("env", "A=b", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "{PORT}"), server: "uvicorn", listens: 8000},

		{cmd: sh("uvicorn main:app --host 0.0.0.0 --port 80"),
			want: sh("uvicorn main:app --host 127.0.0.1 --port {PORT}"), server: "uvicorn", listens: 80},
		{cmd: sh(`exec uvicorn  "main:app"  --host '0.0.0.0' --reload --port "80" `),
			want: sh(`exec uvicorn  "main:app"  --host 127.0.0.1 --port {PORT} `), server: "uvicorn", listens: 80},
		{cmd: sh("uvicorn main:app --host 0.0.0.0 --port $PORT"),
			want: sh("uvicorn main:app --host 127.0.0.1 --port $PORT"), server: "uvicorn"},
		{cmd: sh("uvicorn main:app --host 0.0.0.0 --port ${PORT:-80}"),
			want: sh("uvicorn main:app --host 127.0.0.1 --port ${PORT:-80}"), server: "uvicorn", listens: 80},
		{cmd: sh("uvicorn main:app --port $APP_PORT"),
			want: sh("uvicorn main:app --port {PORT} --host 127.0.0.1"), server: "uvicorn"},
		{cmd: sh(`gunicorn --bind "0.0.0.0:${PORT}" app:app`),
			want: sh(`gunicorn --bind 127.0.0.1:{PORT} app:app`), server: "gunicorn"},
		{cmd: sh("PYTHONPATH=/app LOG=x exec gunicorn app:app"),
			want: sh("PYTHONPATH=/app LOG=x exec gunicorn app:app --bind 127.0.0.1:{PORT}"), server: "gunicorn", listens: 8000},
		{cmd: sh("alembic upgrade head && uvicorn main:app --port 80"),
			want: sh("alembic upgrade head && uvicorn main:app --port {PORT} --host 127.0.0.1"), server: "uvicorn", listens: 80},
		{cmd: sh("cd /app; uvicorn main:app \\\n  --port 80;\n"),
			want: sh("cd /app; uvicorn main:app \\\n  --port {PORT} --host 127.0.0.1;\n"), server: "uvicorn", listens: 80},
		{cmd: args("bash", "-lc", "waitress-serve --port=8080 app:app"),
			want: args("bash", "-lc", "waitress-serve --host 127.0.0.1 --port={PORT} app:app"), server: "waitress-serve", listens: 8080},
		{cmd: args("sh", "-e", "-c", "flask run"),
			want: args("sh", "-e", "-c", "flask run --host 127.0.0.1 --port {PORT}"), server: "flask", listens: 5000},
	} {
		got := command.Rewrite(c.entry, c.cmd, here)
		if !slices.Equal(got.Args, c.want) || got.Server != c.server || got.Listens != c.listens {
			t.Errorf("%q %q:\n got %q %s %d\nwant %q %s %d", c.entry, c.cmd, got.Args, got.Server, got.Listens, c.want, c.server, c.listens)
		}
		if len(got.Notes) == 0 {
			t.Errorf("%q: no note says what was changed", c.cmd)
		}
	}
}

func TestTheRestStaysAsItIs(t *testing.T) {
	t.Parallel()
	for _, cmd := range [][]string{
		nil,
		args("python", "main.py", "--port", "80"),
		args("python", "-c", "import uvicorn", "-m", "uvicorn"),
		args("/server", "--host", "0.0.0.0"),
		args("node", "server.js"),
		args("flask", "shell"),
		args("mlflow", "server", "--port", "5000"),
		args("fastapi", "--version"),
		args("poetry", "install"),
		args("sh", "-c"),
		args("sh", "run.sh"),
		args("echo", "uvicorn"),
		sh("python main.py"),
		sh("uvicorn main:app &"),
		sh("uvicorn main:app | tee log"),
		sh("uvicorn main:app > log 2>&1"),
		sh("uvicorn $(cat args)"),
		sh("if true; then uvicorn main:app; fi"),
		sh("(uvicorn main:app)"),
		sh("uvicorn main:app || sleep 5"),
		sh("uvicorn main:app # --port 80"),
		sh("uvicorn 'main:app"),
		sh("uvicorn main:app && echo done"),
		sh(""),
	} {
		got := command.Rewrite(nil, cmd, here)
		if !slices.Equal(got.Args, cmd) || got.Server != "" || len(got.Notes) > 0 {
			t.Errorf("%q became %q (%s, %q)", cmd, got.Args, got.Server, got.Notes)
		}
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	got := command.Rewrite(nil, sh("uvicorn main:app --reload --port 80"), here).Notes
	want := []string{
		"uvicorn: --reload is left out",
		"uvicorn: listens on 127.0.0.1, on a port that the stage chooses instead of 80",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// A command that is not recognised is never changed, and one that is keeps every
// word that is no address.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{
		"uvicorn main:app --host 0.0.0.0 --port 80", "exec gunicorn -b :80 app:app", "python -m flask run", "a && b; c",
		`uvicorn "a b" 'c' \d ${PORT:-80} $X`, "flask --app x run -p80", "waitress-serve --listen=*:80 a:b --", "uvicorn --port",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, shell bool) {
		cmd := strings.Fields(text)
		if shell {
			cmd = sh(text)
		}
		before := slices.Clone(cmd)
		got := command.Rewrite(nil, cmd, here)
		if !slices.Equal(cmd, before) {
			t.Fatal("the input was changed")
		}
		if got.Server == "" {
			if !slices.Equal(got.Args, cmd) || len(got.Notes) > 0 {
				t.Fatalf("%q is not recognised and became %q", cmd, got.Args)
			}
			return
		}
		// Once rewritten it stays.
		again := command.Rewrite(nil, got.Args, here)
		if again.Server != got.Server || !slices.Equal(again.Args, got.Args) {
			t.Fatalf("%q became %q, and that %q", cmd, got.Args, again.Args)
		}
	})
}
