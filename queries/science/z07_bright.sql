-- Bright and real (Z07)
-- A first look at what is bright in ZTF, after a filter of BOOM's tests.
-- survey: ztf
-- result: one row an alert that passes: its id, its object, magnitude, score and detections
-- caveat: magnitudes are of the difference, and say nothing of its sign
-- cost: three columns of all alerts
SELECT _alert, _object, candidate.magpsf, candidate.drb, candidate.ndethist
FROM ztf.alerts
WHERE candidate.drb > 0.5 AND candidate.ndethist > 1 AND candidate.magpsf <= 18.5
