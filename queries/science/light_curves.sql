-- Light curves of a list of objects
-- Every measurement of some objects, object by object and oldest first.
-- survey: lsst
-- param objects ids: ids of the objects (diaObjectId)
-- example: objects=170032882292621351,170032882292621352
-- result: one row a measurement, as in light_curve, with the id of its object first
-- caveat: as in light_curve; an id that is unknown has no rows and is not told of
-- cost: the rows of these objects, found by index where files are merged; thousands of ids are fine
SELECT diaObjectId, diaSourceId, midpointMjdTai, band, psfFlux, psfFluxErr, _origin
FROM lsst.DiaSource
WHERE diaObjectId IN $objects
ORDER BY diaObjectId, midpointMjdTai, diaSourceId
