// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The stable code of a message: `HG0101`.
///
/// A code names one kind of mistake, refusal, warning or error, and never changes its meaning. The text of a message may
/// change. `codes.md` in this folder explains each code; a test compares the two. A code that is no longer used is never
/// given to another kind: its section moves to "Retired codes".
public enum Code: UInt16, CaseIterable, Sendable {
    // 01: a file and the values in it.
    case invalidYAML = 101
    case emptyFile = 102
    case duplicateKey = 103
    case unreadableFile = 104
    case notAMapping = 105
    case notAList = 106
    case notAText = 107
    case nulCharacter = 108
    case notABoolean = 109
    case missingKey = 110
    case unknownKey = 111
    case keyNotAllowedHere = 112
    case renamedKey = 113
    case invalidInteger = 114
    case invalidNumber = 115
    case invalidDuration = 116
    case invalidSize = 117
    case unknownWord = 118
    case invalidName = 119
    case invalidEndpoint = 120
    case invalidTime = 121
    case valueOutOfBounds = 122
    case emptyList = 123
    case needsExactlyOneOf = 124
    case incompletePair = 125
    case noEffect = 126
    case duplicateEntry = 127
    case conflictingKeys = 128
    case unknownUnit = 129
    case incompatibleUnit = 130
    case unitWithOffset = 131
    case invalidTopic = 132

    // 02: links, devices and the gateway itself.
    case unknownLink = 201
    case wrongLinkProtocol = 202
    case deviceReadTwice = 203
    case mapNotFound = 204
    case tooManyLinks = 205
    case responseUnitAmbiguous = 206
    case nameTaken = 207
    case adminNotLoopback = 208
    case invalidHostName = 209
    case edgeNodeOnSharedLink = 210
    case edgeNodesOverlap = 211
    case primaryHostWithoutEdgeNodes = 212
    case primaryHostTaken = 213
    case topicWithoutDeviceID = 214
    case topicLevelsDoNotFit = 215
    case sharedSubscriptionTopic = 216
    case topicsOverlap = 217
    case clientIDTaken = 218
    case secretInConfiguration = 219
    case encryptionMismatch = 220
    case portTaken = 221
    case invalidNetworkRange = 222
    case invalidIdentity = 223
    case serialLineTaken = 224
    case serialLineOverloaded = 225
    case folderNotUsable = 226
    case notAPEMFile = 227
    case secretUnavailable = 228
    case invalidEdgeNodePattern = 229
    case unknownDevice = 230
    case selectsNoDevice = 231
    case selectsNoPoint = 232
    case onlyForDiscoveredDevices = 233
    case invalidBrokerAddress = 234
    case serialLineMissing = 235
    case unusualBaudRate = 236
    case dialInFromAnywhere = 237

    // 03: derived points, filters, rules, windows, privacy and writing.
    case filterNeedsNumbers = 301
    case filterConflict = 302
    case filterDelaysCritical = 303
    case ruleWithoutCondition = 310
    case invalidSequence = 311
    case ruleWithoutPoint = 312
    case ruleNeverHolds = 313
    case ruleNeverEnds = 314
    case ruleCannotRaise = 315
    case sequenceTooShort = 316
    case windowTooLarge = 320
    case windowStepMismatch = 321
    case windowWithoutNumbers = 322
    case windowNeedsCounter = 323
    case windowDropsCritical = 324
    case unknownFunction = 325
    case privacyNamesConfigured = 330
    case privacyNeedsNumbers = 331
    case privacyBypassed = 332
    case privacyBreaksRule = 333
    case privacyBreaksDerived = 334
    case nothingWritable = 340

    // 04: outputs and their formats.
    case topicTagMissing = 401
    case unknownTag = 402
    case invalidKafkaTopic = 403
    case fileInStateFolder = 404
    case fileTaken = 405
    case invalidFileMode = 406
    case formatNotForOutput = 407
    case formatConflict = 408
    case edgeNodeTaken = 409
    case avroNamesCollide = 410
    case invalidRegistryAddress = 411
    case registryMissing = 412

    // 05: device maps.
    case mapNameDiffers = 501
    case registersOverlap = 502
    case examplesMissing = 503
    case exampleWithoutSource = 504
    case exampleFails = 505
    case unknownPoint = 506
    case invalidHex = 507
    case invalidDeadband = 508
    case needsIntegerType = 509
    case onlyForType = 510
    case invalidBits = 511
    case invalidRawValue = 512
    case rawValueTooWide = 513
    case presenceNeedsTopicID = 514
    case samplesNeedNumbers = 515
    case invalidSubtopic = 516
    case invalidPath = 517
    case unknownTimeZone = 518
    case invalidLevel = 519
    case presenceAmbiguous = 520
    case addressBeyondTable = 521
    case requestTooLong = 522
    case wrongTable = 523
    case invalidLabels = 524
    case invalidRange = 525
    case rangeBeyondType = 526
    case invalidBand = 527
    case notWritable = 528
    case invalidWriteFunction = 529
    case sampleScale = 530
    case labelTextTooLong = 531
    case exampleProvesNothing = 532

    // 06: formulas.
    case formulaSyntax = 601
    case formulaTooLong = 602
    case formulaUnknownPoint = 603
    case formulaUnknownFunction = 604
    case formulaWrongType = 605
    case formulaUnits = 606
    case formulaUnknownUnit = 607
    case formulaOnlyInRules = 608
    case formulaConstant = 609
    case formulaArguments = 610
    case formulaUnknownText = 611

    // 07: test cases and recordings.
    case caseTooManyReadings = 701
    case caseDerivedPoint = 702
    case caseValueNotPossible = 703
    case caseUnknownName = 704
    case notARecording = 705

    // 08: files of other gateways.
    case foreignFileInvalid = 801
    case foreignPointLeftOut = 802
    case foreignKeyLeftOut = 803

    // 10: warnings of a running gateway, and what else its inputs log.
    case linkDown = 1001
    case clientIDInUse = 1002
    case sessionLeft = 1003
    case subscriptionRefused = 1004
    case messageRefused = 1005
    case tooManyDevices = 1006
    case devicesMerged = 1007
    case pollsLost = 1008
    case otherUnitAnswered = 1009
    case dialInRefused = 1010
    case allPointsRefused = 1011
    case neverHeard = 1012
    case pointNeverRead = 1013
    case deviceTimeRefused = 1014
    case deviceTimeMissing = 1015
    case ruleInputsStale = 1016
    case ruleHoldUnknown = 1017
    case outputDown = 1018
    case topicRefused = 1019
    case stateFileDamaged = 1020
    case eventsLost = 1021
    case adminRequestRefused = 1022
    case adminConnectionsClosed = 1023
    case deviceOffline = 1030
    case sparkplugMessagesLost = 1031
    case sunSpecModelsUnknown = 1032
    case ruleNotForDevice = 1033
    case ruleStateUnreadable = 1034
    case reloadRejected = 1035

    // 11: the outbox.
    case diskFailed = 1101
    case diskFailsRepeatedly = 1102
    case outboxNotOpened = 1103
    case memoryFailed = 1104
    case databaseQuarantined = 1105
    case databaseNotMovable = 1106
    case databaseMissing = 1107
    case databaseReplaced = 1108
    case logLost = 1109
    case logDamaged = 1110
    case logOfOtherDatabase = 1111
    case blocksMissing = 1112
    case blockDamaged = 1113
    case diskFull = 1114
    case ruleStateDelayed = 1115
    case windowStateDamaged = 1116
    case recoveryFoundNothing = 1117
    case keyMissing = 1118
    case recoveryNotRecorded = 1119
    case clockJumped = 1120
    case commitFailed = 1121
    case diskSmallerThanMaxSize = 1122
    case outboxNotClosed = 1123

    // 12: outputs.
    case laneWaits = 1201
    case deadLetter = 1202
    case brokerError = 1203
    case readBackIncomplete = 1204
    case brokerSkipped = 1205

    // 20: the reasons of qualities and of status events: 2000 and the stored number of the reason.
    case timeout = 2001
    case disconnected = 2002
    case garbledAnswer = 2003
    case linkSetup = 2004
    case illegalFunction = 2005
    case illegalAddress = 2006
    case illegalValue = 2007
    case deviceFailure = 2008
    case deviceBusy = 2009
    case gatewayPath = 2010
    case gatewayTarget = 2011
    case exception = 2012
    case offline = 2013
    case notANumber = 2014
    case unknownLabel = 2015
    case wrongType = 2016
    case notDecimal = 2017
    case tooShort = 2018
    case retained = 2019
    case tooLong = 2020
    case silent = 2021
    case noScaleFactor = 2022
    case sequenceGap = 2023
    case deviceQuality = 2024
    case death = 2025
    case withdrawn = 2026
    case notSunSpec = 2027
    case spike = 2028
    case stuck = 2029
    case doubtfulInput = 2030
    case stale = 2031
    case imprecise = 2032
    case notText = 2033
    case otherUnit = 2034
    case unknownHost = 2035
    case connectionRefused = 2036
    case connectTimeout = 2037
    case hostUnreachable = 2038
    case notConnected = 2039
    case noSuchDevice = 2040
    case permissionDenied = 2041
    case noFileDescriptors = 2042
    case acknowledge = 2043
    case negativeAcknowledge = 2044
    case memoryParity = 2045

    // 21: the causes of gap events: 2100 and the stored number of the cause.
    case lossMaxSize = 2100
    case lossMaxAge = 2101
    case lossDatabaseLost = 2102
    case lossCorruptBlock = 2103
    case lossOverload = 2104
    case lossDeadLetters = 2105
    case lossLogLost = 2106
    case lossThinned = 2107
    case lossDiskFull = 2108
    case lossTooManyDevices = 2109

    // 22: the reasons of alarm events: 2200 and the stored number of the reason.
    case alarmUnconfirmed = 2201
    case alarmConfirmed = 2202
    case alarmRepeated = 2203
    case alarmRemoved = 2204

    // 23: why a write is refused or has failed.
    case writeUnknownDevice = 2301
    case writeNotAllowed = 2302
    case writeUnknownPoint = 2303
    case writeNotWritable = 2304
    case writeOutOfRange = 2305
    case writeWrongType = 2306
    case writeAmbiguous = 2307
    case writeUnknownLabel = 2308
    case writeNotRepresentable = 2309
    case writeExpired = 2310
    case writeDeadlineTooFar = 2311
    case writeStopping = 2312
    case writeBusy = 2313
    case writeNotKept = 2314
    case writeAbsentRegister = 2315
    case commandRetained = 2320
    case commandWithoutDeadline = 2321
    case commandWithoutID = 2322
    case commandClockUnset = 2323
    case commandDuplicate = 2324
    case commandTooMany = 2325
    case commandIDsLost = 2326
    case commandIDsNotSaved = 2327
    case commandNotJSON = 2328

    // 30: the command line and the admin API.
    case usage = 3001
    case gatewayNotRunning = 3002
    case gatewayNotStarted = 3003
    case adminRequestFailed = 3004
    case deviceNotReadable = 3005
    case deviceDoesNotRespond = 3006
    case scanFoundNothing = 3007
    case scanReadNothing = 3008
    case fileNotWritten = 3009
    case fileNotRead = 3010
    case wrongFileType = 3011
    case notInOutbox = 3012
    case outboxInUse = 3013
    case outboxNotReadable = 3014
    case otherGateway = 3015
    case systemLimit = 3016
    case stateFolderNotPrivate = 3017
    case brokerDoesNotRespond = 3018
    case notADialedLink = 3019
    case invalidKeyFile = 3020
    case invalidRequest = 3021
    case notAvro = 3022
}

extension Code {
    /// The code of a text like `HG0101`; nil if no code has this number.
    public init?(_ text: String) {
        let digits = text.dropFirst(2)
        guard text.hasPrefix("HG"), digits.utf8.count == 4, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = UInt16(digits)
        else { return nil }
        self.init(rawValue: number)
    }
}

extension Code: CustomStringConvertible {
    /// `HG` and four digits.
    public var description: String {
        let digits = String(rawValue)
        return "HG" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }
}
