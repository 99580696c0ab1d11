// Kubernetes' apiextensions server by itself, on loopback: it judges, stores and serves custom resources as an API server does.
// It knows no users and no rights; anyone who reaches it may do everything.
//
// On Debian (sid has 1.36), with golang-go, golang-k8s-apiextensions-apiserver-dev and etcd-server:
//
//	etcd --data-dir /tmp/etcd --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 &
//	GO111MODULE=off GOPATH=/usr/share/gocode go build -o /tmp/apiextensions test/contract/apiextensions/main.go
//	/tmp/apiextensions --etcd-servers=http://127.0.0.1:12379 --bind-address=127.0.0.1 --secure-port=16443 \
//	  --cert-dir=/tmp/apiextensions.certs --kubeconfig=/tmp/nowhere.yaml
//
// `--kubeconfig` is asked for Services, which only conversion webhooks need: it may lead nowhere, but must be a kubeconfig.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

func authenticate(*http.Request) (*authenticator.Response, bool, error) {
	anyone := &user.DefaultInfo{Name: "anyone", Groups: []string{user.SystemPrivilegedGroup, user.AllAuthenticated}}
	return &authenticator.Response{User: anyone}, true, nil
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	all := options.NewCustomResourceDefinitionsServerOptions(os.Stdout, os.Stderr)
	flags := pflag.NewFlagSet("apiextensions", pflag.ExitOnError)
	all.AddFlags(flags)
	must(flags.Parse(os.Args[1:]))
	// These three would ask another API server.
	all.RecommendedOptions.Authentication = nil
	all.RecommendedOptions.Authorization = nil
	all.RecommendedOptions.Admission = nil
	must(all.ServerRunOptions.ComponentGlobalsRegistry.Set())
	must(all.Complete())
	config, err := all.Config()
	must(err)
	config.GenericConfig.Authentication.Authenticator = authenticator.RequestFunc(authenticate)
	server, err := config.Complete().New(genericapiserver.NewEmptyDelegate())
	must(err)
	must(server.GenericAPIServer.PrepareRun().RunWithContext(genericapiserver.SetupSignalContext()))
}
