package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime covers any test run, and keeps a forgotten kubeconfig from being of use for long.
const lifetime = 24 * time.Hour

type identity struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// writePKI fills a folder with what a control plane needs to know itself and its administrator:
// ca.crt, serving.crt and .key, admin.crt and .key (O=system:masters), service-account.key and .pub.
//
// The key of the authority is never written: nothing signs with it again.
func writePKI(args []string) error {
	if len(args) != 1 {
		return errors.New("name one folder to write to")
	}
	folder := args[0]
	authority, err := newIdentity(folder, "ca", nil, &x509.Certificate{
		Subject:               pkix.Name{CommonName: "fleetui-test-ca"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	if err != nil {
		return err
	}
	serving, err := newIdentity(folder, "serving", authority, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4(10, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	admin, err := newIdentity(folder, "admin", authority, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "admin-by-certificate", Organization: []string{"system:masters"}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return err
	}
	serviceAccount, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return errors.Join(
		writeKey(folder, "serving", serving.key),
		writeKey(folder, "admin", admin.key),
		writeKey(folder, "service-account", serviceAccount),
		writePublicKey(folder, "service-account", serviceAccount),
	)
}

// newIdentity makes a key and a certificate signed by the authority, or by itself without one.
func newIdentity(folder, name string, authority *identity, template *x509.Certificate) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	// A clock that is set back a little while the tests run must not make the certificate one of the future.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(lifetime)
	if authority == nil {
		authority = &identity{certificate: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority.certificate, &key.PublicKey, authority.key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &identity{certificate: certificate, key: key}, writePEM(folder, name+".crt", "CERTIFICATE", der)
}

func writeKey(folder, name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(folder, name+".key", "EC PRIVATE KEY", der)
}

func writePublicKey(folder, name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return writePEM(folder, name+".pub", "PUBLIC KEY", der)
}

func writePEM(folder, name, kind string, der []byte) error {
	return os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
