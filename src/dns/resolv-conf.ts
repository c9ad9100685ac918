// The servers named in the text of /etc/resolv.conf. Reading the file is the caller's. Search domains and options are ignored. Pure.
import { canonicalAddress } from './address.ts';
import type { DnsServer } from './exchange.ts';

/** As many as the C library asks. */
const SERVERS_MAX = 3;
const DNS_PORT = 53;

/** In order, at most three; the machine itself when none is named (resolv.conf(5)). Link-local addresses with a zone index are left out. */
export const serversOf = (resolvConf: string): DnsServer[] => {
  const servers = resolvConf
    .split('\n')
    .map((line) => /^nameserver\s+(\S+)/.exec(line)?.[1])
    .flatMap((word) => canonicalAddress(word ?? '') ?? [])
    .slice(0, SERVERS_MAX)
    .map((host) => ({ host, port: DNS_PORT }));
  return servers.length > 0 ? servers : [{ host: '127.0.0.1', port: DNS_PORT }];
};
