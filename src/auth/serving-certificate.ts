// The certificate of the API's own door, and whose certificates of clients it believes: read at start, looked at again on SIGHUP and every few seconds.
// New files that do not fit together change nothing; the log says why, once per change.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { errorText, Fault } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Ports, Timer } from '../ports.ts';
import { readSecret } from '../secrets.ts';
import { readGuarded, stampOf } from './file.ts';

export interface TlsFiles {
  certFile: string;
  keyFile: string;
  clientCaFile?: string;
}

/** As node's TLS takes it. */
export interface ServingCertificate {
  cert: string;
  key: string;
  ca?: string;
}

const LOOK_EVERY_MS = 5_000;
const PEM_BYTES_MAX = 256 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const certificatesIn = (file: string): { pem: string; found: readonly X509Certificate[] } => {
  const pem = readGuarded(file, PEM_BYTES_MAX);
  try {
    const found = [...pem.matchAll(CERTIFICATE)].map(([text]) => new X509Certificate(text));
    if (found.length > 0) return { pem, found };
  } catch {
    // The sentence below says it.
  }
  throw new Fault('ERR_SECRET', `${file}: found no certificate in it, expected PEM text; name the file with the certificate and its chain`);
};

/** Reads the files and sees that they fit. Throws Fault ERR_SECRET, which names the file and never its content. */
export const readCertificate = ({ certFile, keyFile, clientCaFile }: TlsFiles): ServingCertificate => {
  const { pem: cert, found } = certificatesIn(certFile);
  const key = readSecret(keyFile);
  let fits: boolean;
  try {
    fits = found[0]?.checkPrivateKey(createPrivateKey(key)) === true;
  } catch {
    throw new Fault('ERR_SECRET', `${keyFile}: found no private key in it that can be read without a passphrase, expected one in PEM`);
  }
  if (!fits) throw new Fault('ERR_SECRET', `${keyFile}: found the key of another certificate, expected that of ${certFile}; name the pair`);
  return { cert, key, ...(clientCaFile === undefined ? {} : { ca: certificatesIn(clientCaFile).pem }) };
};

/** Calls `use` with each new pair that fits. Out: look now, and stop looking. */
export const watchCertificate = (
  files: TlsFiles,
  { timers }: Pick<Ports, 'timers'>,
  log: Log,
  use: (certificate: ServingCertificate) => void,
): { look(): void; close(): void } => {
  const stamps = (): string => [files.certFile, files.keyFile, files.clientCaFile ?? ''].map(stampOf).join();
  let stamp = stamps();
  const look = (): void => {
    const now = stamps();
    if (now === stamp) return;
    stamp = now;
    try {
      use(readCertificate(files));
      log.info('api.certificate.read', { file: files.certFile });
    } catch (error) {
      log.error('api.certificate.refused', { because: errorText(error), running: 'the certificate as before' });
    }
  };
  let timer: Timer;
  const arm = (): void => {
    timer = timers.after(
      LOOK_EVERY_MS,
      () => {
        look();
        arm();
      },
      { background: true },
    );
  };
  arm();
  return { look, close: () => timer.cancel() };
};
