"""All faults, each by its name."""

from tests.faults import body_faults, http_faults, metadata_faults, network_faults

CATALOGUE = [*network_faults.FAULTS, *http_faults.FAULTS, *body_faults.FAULTS]
AT_METADATA = metadata_faults.FAULTS
