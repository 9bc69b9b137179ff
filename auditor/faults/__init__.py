"""What happens when the database says no.

catalogue   the faults, and their errors in the words of each database
aim         what a workload executes, what can be violated there, which runs to make
strike      makes one statement, COMMIT or checkout fail
rivals      a second session that really acts, and what a serial order would give
state       what is in the database before and after, and what a call left open
conduct     what was called again, waited for, or done outside the database
verdicts    the run without a fault, the verdict on each other, who caught the error
suites      existing tests as workloads
sweep       runs them all: processes, databases, time, journal
"""
