package server

import (
	"fmt"
	"net/http"
	"os"
)

// ServeTestAPI is the program of the images that the tests serve. It answers with
// its version and the file data.txt of its working directory.
func ServeTestAPI(args []string) int {
	if len(args) > 0 && args[0] == "exit" {
		fmt.Println("there is no model")
		return 3
	}
	data, err := os.ReadFile("data.txt")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s: %s", os.Getenv("API_VERSION"), data)
	})))
	return 1
}
