#!/usr/bin/python3
"""perl: hashes, strings, regular expressions, threads and a fork."""

import real

WORKLOAD = r"""
use strict; use warnings; use threads; use Digest::SHA qw(sha256_hex); use JSON::PP;
sub work {
    my ($seed) = @_;
    my (%table, $text);
    for my $n (1 .. 20000) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;
        my $size = 64 + $seed % 705;
        $table{"key" . $seed % 3000} .= chr(97 + $seed % 26) x $size;
        delete $table{"key" . $n % 3000} if $n % 3 == 0;
        $table{"list$n"} = [map { "item $_" } 1 .. $n % 9] if $n % 50 == 0;
    }
    for my $key (sort keys %table) {
        my $value = ref $table{$key} ? join("-", reverse @{$table{$key}}) : $table{$key};
        $value =~ s/(([aeiou])\2{20,200})/length($1) . $2/ge;
        $text .= "$key=$value\n";
    }
    my $json = JSON::PP->new->canonical;
    $text .= $json->encode($json->decode($json->encode({map { $_ => [$_ x 30, {n => length $_}] } 1 .. 500})));
    return sha256_hex($text);
}
print work(1), "\n";
print "$_\n" for map { $_->join } map { threads->create(\&work, $_) } 2 .. 5;
my $child = open(my $from_child, "-|") // die;
if (!$child) { print work(6), "\n"; exit 3 }
print while <$from_child>;
close $from_child;
print "child ended with ", $? >> 8, "\n";
exit 7;
"""


def test(run):
    script = run.write("workload.pl", WORKLOAD)
    perl = real.need("perl", "perl")
    return {"output": run.run("/bin/sh", "-c", '"$@"; echo "status $?"', "sh", perl, script)}


real.compare(test, served={"perl": 50_000})
