// Certificates for tests of TLS: an authority of two days and what it signs, made by openssl in a folder the caller removes.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  certFile: string;
  keyFile: string;
  certPem: string;
  keyPem: string;
}

export interface Authority {
  caFile: string;
  caPem: string;
  /** `names`: subject alternative names such as `DNS:localhost` or `IP:127.0.0.1`. */
  issue(commonName: string, names?: readonly string[]): Certificate;
  /** A list, in PEM, of these alone as no longer good. */
  revoke(...certificates: readonly Certificate[]): string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

const openssl = (...args: readonly string[]): void => void execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });

export const createAuthority = (folder: string, name = 'ca'): Authority => {
  const file = (end: string): string => join(folder, end);
  const caFile = file(`${name}.pem`);
  const caKey = file(`${name}.key`);
  openssl('req', '-x509', ...NEW_KEY, '-keyout', caKey, '-out', caFile, '-subj', `/CN=${name}`, '-days', '2');
  let issued = 0;
  return {
    caFile,
    caPem: readFileSync(caFile, 'utf8'),
    issue(commonName, names = []) {
      const base = `${name}-${issued++}`;
      const [certFile, keyFile, request, extensions] = [`${base}.pem`, `${base}.key`, `${base}.csr`, `${base}.ext`].map(file) as [
        string,
        string,
        string,
        string,
      ];
      // etcd calls itself through its own certificate, hence both uses.
      const alternatives = names.length === 0 ? '' : `subjectAltName=${names.join(',')}\n`;
      writeFileSync(extensions, `extendedKeyUsage=serverAuth,clientAuth\n${alternatives}`);
      openssl('req', ...NEW_KEY, '-keyout', keyFile, '-out', request, '-subj', `/CN=${commonName}`);
      const signing = ['-CA', caFile, '-CAkey', caKey, '-set_serial', String(issued + 1), '-days', '2', '-extfile', extensions];
      openssl('x509', '-req', '-in', request, ...signing, '-out', certFile);
      return { certFile, keyFile, certPem: readFileSync(certFile, 'utf8'), keyPem: readFileSync(keyFile, 'utf8') };
    },
    revoke(...certificates) {
      const [settings, index, list] = [`${name}.cnf`, `${name}.index`, `${name}.crl`].map(file) as [string, string, string];
      // One line each: revoked, its end, since when, serial number, nobody knows where it is, name.
      const lines = certificates.map(
        ({ certPem }) => `R\t991231235959Z\t260101000000Z\t${new X509Certificate(certPem).serialNumber}\tunknown\t/CN=x\n`,
      );
      writeFileSync(index, lines.join(''));
      writeFileSync(settings, `[ca]\ndefault_ca=own\n[own]\ndatabase=${index}\ndefault_md=sha256\ndefault_crl_days=2\n`);
      openssl('ca', '-gencrl', '-config', settings, '-cert', caFile, '-keyfile', caKey, '-out', list);
      return readFileSync(list, 'utf8');
    },
  };
};
