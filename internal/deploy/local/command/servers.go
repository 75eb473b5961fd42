package command

// server is what is known of one program that serves HTTP.
type server struct {
	name string
	// sub are the words that follow the name, such as "models serve"; any of the
	// words of one entry will do.
	sub [][]string
	// host, port and bind are the flags that take an address, its halves or both.
	host, port, bind []string
	// drop are flags without a value that do not belong on a stage, value those
	// with one. lose are valued flags that take the address elsewhere.
	drop, value, lose []string
	// first says that flags stand before all that is no flag.
	first   bool
	listens int // the port without any flag
}

// servers are the ones that are recognised. Their flags win over the variables
// (UVICORN_PORT, GUNICORN_CMD_ARGS, FLASK_RUN_PORT) and configuration files that
// set the same.
var servers = [...]server{
	{
		name: "uvicorn", host: []string{"--host"}, port: []string{"--port"}, listens: 8000,
		drop:  []string{"--reload"},
		value: []string{"--reload-dir", "--reload-include", "--reload-exclude", "--reload-delay"},
		lose:  []string{"--uds", "--fd"},
	},
	{
		name: "gunicorn", bind: []string{"--bind", "-b"}, listens: 8000,
		drop:  []string{"--reload", "--daemon", "-D"},
		value: []string{"--reload-engine", "--reload-extra-file"},
	},
	{
		name: "hypercorn", bind: []string{"--bind", "-b"}, listens: 8000,
		drop: []string{"--reload"},
		lose: []string{"--insecure-bind", "--quic-bind"},
	},
	{
		name: "fastapi", sub: [][]string{{"run", "dev"}}, host: []string{"--host"}, port: []string{"--port"}, listens: 8000,
		drop: []string{"--reload"}, value: []string{"--reload-dir"},
	},
	{
		name: "flask", sub: [][]string{{"run"}}, host: []string{"--host", "-h"}, port: []string{"--port", "-p"}, listens: 5000,
		drop: []string{"--reload"},
	},
	{
		name: "waitress-serve", host: []string{"--host"}, port: []string{"--port"}, listens: 8080, first: true,
		lose: []string{"--listen", "--unix-socket"},
	},
	{
		name: "mlflow", sub: [][]string{{"models"}, {"serve"}}, host: []string{"--host", "-h"}, port: []string{"--port", "-p"}, listens: 5000,
	},
	{
		name: "streamlit", sub: [][]string{{"run"}}, host: []string{"--server.address"}, port: []string{"--server.port"}, listens: 8501,
	},
}

// modules are names under which `python -m` knows servers differently.
var modules = map[string]string{"waitress": "waitress-serve"}

// wrappers are programs that run the command that follows them, with the words
// that must come between.
var wrappers = map[string][]string{
	"exec":                     nil,
	"nohup":                    nil,
	"dumb-init":                nil,
	"tini":                     nil,
	"ddtrace-run":              nil,
	"opentelemetry-instrument": nil,
	"env":                      nil,
	"poetry":                   {"run"},
	"pipenv":                   {"run"},
	"pdm":                      {"run"},
	"uv":                       {"run"},
	"newrelic-admin":           {"run-program"},
}
