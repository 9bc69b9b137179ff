"""Knowledge tables of OpenStack: neutron-lib, Neutron's objects, idioms of nova, cinder and
keystone, and what leaves a process.

The readers and writers of oslo.db itself are built in (`auditor.knowledge.oslo_db`); these rows say
where the projects keep theirs. What Neutron's own functions do is read from their bodies when they
are scanned; the rows are for the code of others, which is scanned without Neutron.

Nothing here imports OpenStack or SQLAlchemy.
"""

from __future__ import annotations

from auditor_openstack.knowledge_messages import TABLES as MESSAGES
from auditor_openstack.knowledge_neutron import TABLES as NEUTRON
from auditor_openstack.knowledge_neutron_lib import TABLES as NEUTRON_LIB
from auditor_openstack.knowledge_nova import TABLES as NOVA_AND_CINDER
from auditor_openstack.knowledge_older import TABLES as OLDER

TABLES = (*NEUTRON_LIB, *NEUTRON, *NOVA_AND_CINDER, *OLDER, *MESSAGES)
