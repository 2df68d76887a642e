"""The words that the rules put into their sentences, as the own cases show them: rule → (Chinese, English)."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, set[tuple[str, str]]]] = {
    "GB-02": {
        ("不可抗力", "force majeure"),
        ("寄件人、收件人过错", "the sender's or the recipient's own fault"),
        ("物品自身性质或合理损耗", "the goods' own nature or reasonable wear"),
    },
    "GB-03": {
        ("复投失败后通知收件人自取", "notice of self pick-up after the second failed attempt"),
        ("彻底延误时限前联系寄件人", "contact with the sender before the complete-delay term"),
        ("首次投递失败后联系收件人", "contact with the recipient after the first failed attempt"),
        (
            "首次投递失败后联系收件人；复投失败后通知收件人自取",
            "contact with the recipient after the first failed attempt; notice of self pick-up after the second failed attempt",
        ),
        (
            "首次投递失败后联系收件人；彻底延误时限前联系寄件人",
            "contact with the recipient after the first failed attempt; contact with the sender before the complete-delay term",
        ),
    },
    "GB-06": {
        ("代收人身份", "the proxy's identity"),
        ("同意", "consent"),
        ("同意、代收人身份", "consent and the proxy's identity"),
    },
    "GB-07": {
        ("国际快件不可改寄", "an international parcel cannot be redirected"),
        ("快件已完成投递", "the parcel had been delivered"),
    },
    "LR-01": {
        ("揽收站", "origin"),
        ("派件站", "delivery link"),
        ("派件站 GYX02 已按时寄回", "GYX02 had passed it on in time"),
        ("派件站 GYX02 未按时寄回", "GYX02 had not passed it on in time"),
        ("派件站 WH4300 已按时寄回", "WH4300 had passed it on in time"),
        ("派件站 WH4300 未按时寄回", "WH4300 had not passed it on in time"),
    },
    "LR-04": {
        ("与收货人电话确认", "a call to the consignee"),
        ("单位公章或盖章委托书", "the company's seal or a stamped authorisation"),
        (
            "姓名不符时的电话确认或寄件人变更证明",
            "a call or the sender's change certificate, as the name did not match",
        ),
        ("收货人证件原件", "the consignee's original document"),
        ("没有核验记录", "no record of any check"),
    },
    "TT-01": {
        ("中转环节", "transit link"),
        ("派件站", "delivery link"),
    },
    "TT-04": {
        ("中转发出", "departure of the middle link"),
        ("中转环节", "transit link"),
        ("干线运输", "line-haul"),
        ("揽收后发出", "departure after collection"),
        ("揽收站", "origin"),
        ("派件站", "delivery link"),
        ("派送", "delivery"),
    },
    "TT-06": {
        ("BJ02 已按时公告免责，责任上移", "BJ02 reported in time, so liability moves upstream"),
        (
            "BJ02, HBJ1, HGZ1 已按时公告免责，责任上移",
            "BJ02, HBJ1, HGZ1 reported in time, so liability moves upstream",
        ),
        ("中转环节", "transit link"),
        ("内物破损", "inner damage"),
        ("外包装破损", "outer damage"),
        ("它最后持有该件且未在规定时间内公告", "it held the parcel last and did not report in time"),
        ("揽收站", "origin"),
        ("派件站", "delivery link"),
        ("短少", "shortage"),
    },
    "TT-07": {
        ("BJ02 已按时公告免责，责任上移", "BJ02 reported in time, so liability moves upstream"),
        ("BJ02, HBJ1 已按时公告免责，责任上移", "BJ02, HBJ1 reported in time, so liability moves upstream"),
        (
            "BJ02, HBJ1, HGZ1 已按时公告免责，责任上移",
            "BJ02, HBJ1, HGZ1 reported in time, so liability moves upstream",
        ),
        ("HBJ1 已按时公告免责，责任上移", "HBJ1 reported in time, so liability moves upstream"),
        ("中转环节", "transit link"),
        ("它已派件，此后无人签收", "it took the parcel out and nobody signed for it"),
        ("它最后持有该件且未在规定时间内公告", "it held the parcel last and did not report in time"),
        ("揽收站", "origin"),
        ("派件站", "delivery link"),
        ("该件最后由它揽收持有，谁揽收谁负责", "it held the parcel last, and who collects answers"),
        ("遗失", "loss"),
    },
    "TT-08": {
        ("派件站", "delivery link"),
    },
    "TT-12": {
        ("遗失", "loss"),
    },
    "TT-14": {
        ("延误", "delay"),
        ("遗失", "loss"),
        ("随意通知有单无货", "a false goods-missing notice"),
    },
    "TT-15": {
        ("延误", "delay"),
        ("遗失", "loss"),
    },
    "TT-17": {
        ("外包装破损", "outer damage"),
        ("短少", "shortage"),
        ("遗失", "loss"),
    },
    "TT-20": {
        ("内物破损", "inner damage"),
    },
    "TT-21": {
        ("中转环节", "transit link"),
        ("揽收站", "origin"),
    },
    "TT-26": {
        ("尚无处理权", "without being entitled to it"),
        ("未拍照取证", "without photos"),
        ("未经批准", "without approval"),
    },
    "TT-27": {
        ("中转错误", "mis-transit"),
    },
    "YD-02": {
        ("上报前没有本站到件扫描", "the reporter had not scanned the arrival first"),
        ("外来标识与面单不在同一平面", "the foreign marks and the label are not on one face"),
        ("没有上报方的照片", "there is no photo of the reporter"),
    },
    "YD-04": {
        ("中转环节", "transit link"),
        ("派件站", "delivery link"),
    },
    "YD-05": {
        ("WH0270 已按时公告免责，责任上移", "WH0270 reported in time, so liability moves upstream"),
        ("上报", "was reported"),
        ("中转环节", "transit link"),
        ("内物破损", "inner damage"),
        ("外包装破损", "outer damage"),
        ("它最后持有该件且未在规定时间内公告", "it held the parcel last and did not report in time"),
        ("派件站", "delivery link"),
        ("被投诉", "was complained of"),
        ("遗失", "loss"),
    },
    "ZT-01": {
        ("投递时联系收件人的清单", "the contact log of the delivery attempt"),
        ("投递联系清单和规范照片", "the contact log of the attempt and a compliant photo"),
        ("派件站", "delivery link"),
        (
            "能看清签收人姓名或识别代收人身份的照片",
            "a photo that shows the signer's name or identifies the proxy",
        ),
    },
    "ZT-02": {
        ("揽收站", "origin"),
    },
    "ZT-03": {
        ("中转环节", "transit link"),
        ("揽收站", "origin"),
        ("派件站", "delivery link"),
        ("破损、短少", "damage"),
        ("遗失", "loss"),
    },
    "ZT-04": {
        ("中转环节", "transit link"),
        ("揽收站", "origin"),
        ("派件站", "delivery link"),
    },
    "ZT-05": {
        ("中转环节", "transit link"),
        ("揽收站", "origin"),
    },
    "ZT-06": {
        ("派件站", "delivery link"),
    },
    "ZT-07": {
        ("中转环节", "transit link"),
        ("揽收站", "origin"),
    },
    "ZT-08": {
        ("中转环节", "transit link"),
        ("揽收站", "origin"),
        ("派件站", "delivery link"),
        ("破损", "damage"),
        ("遗失", "loss"),
    },
    "ZT-09": {
        ("其他", "another matter"),
        ("延误", "delay"),
        ("揽收站", "origin"),
        ("服务态度", "attitude"),
        ("派件站", "delivery link"),
    },
    "ZT-10": {
        ("发件延误", "dispatch delay"),
        ("延误", "delay"),
        ("服务态度", "attitude"),
        ("虚假签收", "false signature"),
    },
}
